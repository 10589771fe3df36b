"""Inputs for tests of the command line, without NumPy."""

import struct


def write_images(file):
    """Four images, as numpy.save writes them."""
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 1, 8, 8), }"
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    values = struct.pack("<256f", *[i % 7 / 7 for i in range(256)])
    file.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + values)
