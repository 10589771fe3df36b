// mend IN.ait OUT.ait: makes every checksum of a damaged artifact right again, as somebody who means harm would. For
// tests: what remains to refuse it then is what the file says, not how it came here.

#include <cstdio>
#include <vector>

#include "format/digest.h"
#include "format/fuzz.h"
#include "format/manifest.h"
#include "format/plan_header.h"
#include "format/zip_reader.h"
#include "format/zip_writer.h"

namespace {

using namespace aitune;

struct Entry {
  std::string name;
  std::vector<std::byte> bytes;
};

std::vector<Entry> read_entries(const ZipReader& zip) {
  std::vector<Entry> entries;
  entries.reserve(zip.entries().size());
  for (const ZipEntry& e : zip.entries()) {
    const auto bytes = zip.bytes(e);
    entries.push_back({e.name.substr(zip.top().size()), {bytes.begin(), bytes.end()}});
    if (e.name.ends_with(".plan")) mend_plan(entries.back().bytes);
  }
  return entries;
}

void mend_manifest(Manifest& manifest, const std::vector<Entry>& entries) {
  for (const Entry& e : entries) {
    for (auto& row : manifest.entries) {
      if (row.name != e.name) continue;
      row.size = e.bytes.size();
      row.sha256 = sha256(e.bytes);
    }
    for (auto& plan : manifest.plans) {
      if (plan.entry != e.name) continue;
      const bool readable = survives([&] { plan.head_bytes = plan_head_bytes(read_plan_header(e.bytes, e.name)); });
      if (readable) plan.head_sha256 = sha256(std::span(e.bytes).first(plan.head_bytes));
    }
  }
}

void mend(const char* from, const char* to) {
  const ZipReader zip = ZipReader::open(from);
  std::vector<Entry> entries = read_entries(zip);
  std::string text(zip.text(zip.at(kManifestEntry)));
  survives([&] {
    Manifest manifest = Manifest::from_json(text, from);
    mend_manifest(manifest, entries);
    text = manifest.to_json();
  });
  AtomicFile file(to);
  const std::string_view top = zip.top();
  ZipWriter writer(file, top.substr(0, top.empty() ? 0 : top.size() - 1));
  for (const Entry& e : entries) {
    if (e.name == kManifestEntry)
      writer.add(e.name, text);
    else if (e.name == kManifestDigestEntry)
      writer.add(e.name, to_hex(sha256(std::as_bytes(std::span(text.data(), text.size())))));
    else
      writer.add(e.name, e.bytes);
  }
  writer.finish();
  file.commit();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    mend(argv[1], argv[2]);
    return 0;
  } catch (const std::exception& error) {
    std::printf("%s\n", error.what());
    return 1;  // so damaged that there is nothing to mend
  }
}
