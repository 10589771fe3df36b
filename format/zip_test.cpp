#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <array>
#include <random>

#include "base/error.h"
#include "format/bytes.h"
#include "format/crc32.h"
#include "format/fuzz.h"
#include "format/test_folder.h"
#include "format/zip_reader.h"
#include "format/zip_writer.h"

namespace aitune {
namespace {

using ::testing::HasSubstr;
using Bytes = std::vector<std::byte>;

Bytes make_zip(std::initializer_list<std::pair<std::string_view, std::string_view>> entries,
               std::string_view top = "m") {
  MemorySink sink;
  ZipWriter zip(sink, top);
  for (const auto& [name, content] : entries) zip.add(name, content);
  zip.finish();
  return sink.take();
}

// Replaces every occurrence; both texts have the same length.
Bytes replaced(Bytes bytes, std::string_view from, std::string_view to) {
  std::string text(as_text(bytes));
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

template <typename T>
void put_at(Bytes& bytes, std::size_t at, T value) {
  store_le(bytes.data() + at, value);
}

std::size_t central_at(const Bytes& bytes) { return load_le<std::uint32_t>(bytes.data() + bytes.size() - 6); }

template <typename E>
void expect_refused(const Bytes& bytes, std::string_view text) {
  try {
    const ZipReader zip(bytes, "file.pt2");
    FAIL() << "accepted, but should say: " << text;
  } catch (const E& error) {
    EXPECT_THAT(error.what(), HasSubstr(std::string(text)));
    EXPECT_THAT(error.what(), HasSubstr("file.pt2"));
  }
}

TEST(Zip, RoundTrip) {
  const Bytes bytes = make_zip({{"a.json", "{}"}, {"data/weights/w", std::string(1000, 'w')}, {"empty", ""}});
  const ZipReader zip(bytes, "m.pt2");
  ASSERT_EQ(zip.entries().size(), 3u);
  EXPECT_EQ(zip.top(), "m/");
  EXPECT_EQ(zip.text(zip.at("a.json")), "{}");
  EXPECT_EQ(zip.text(zip.at("data/weights/w")), std::string(1000, 'w'));
  EXPECT_EQ(zip.text(*zip.find("m/empty")), "");
  EXPECT_EQ(zip.find("empty"), nullptr);
  EXPECT_EQ(zip.find_in_top("none"), nullptr);
  EXPECT_THROW(zip.at("none"), NotFound);
  for (const ZipEntry& entry : zip.entries()) {
    EXPECT_EQ(entry.offset % 64, 0u) << entry.name;
    EXPECT_NO_THROW(zip.verify_crc(entry));
    EXPECT_EQ(zip.read(entry, 1000).size(), entry.size);
  }
  EXPECT_THROW(zip.read(zip.at("data/weights/w"), 999), Corrupt);
}

TEST(Zip, EmptyArchive) {
  const Bytes bytes = make_zip({});
  const ZipReader zip(bytes, "m");
  EXPECT_TRUE(zip.entries().empty());
  EXPECT_EQ(zip.top(), "");
}

TEST(Zip, SameEntriesSameBytes) { EXPECT_EQ(make_zip({{"a", "1"}, {"b", "2"}}), make_zip({{"a", "1"}, {"b", "2"}})); }

TEST(Zip, PiecesAreOneEntry) {
  MemorySink sink;
  ZipWriter zip(sink);
  const std::string a = "hello ", b = "world";
  zip.add("x", std::array{std::as_bytes(std::span(a)), std::as_bytes(std::span(b))});
  zip.finish();
  const ZipReader reader(sink.bytes(), "m");
  EXPECT_EQ(reader.text(reader.at("x")), "hello world");
  EXPECT_NO_THROW(reader.verify_crc(reader.at("x")));
}

TEST(Zip, WriterRefusesBadNames) {
  MemorySink sink;
  ZipWriter zip(sink);
  zip.add("a", "1");
  for (const std::string_view name : {"a", "", "/a", "a/../b", "..", "a\\b", "a//b", "a/", "c:x", "a\nb"}) {
    EXPECT_THROW(zip.add(name, "1"), InvalidArgument) << name;
  }
}

TEST(Zip, KeepsTheMappingAlive) {
  const TestFolder folder;
  write_file(folder / "m.zip", make_zip({{"a", "content"}}));
  std::shared_ptr<const void> owner;
  std::span<const std::byte> content;
  {
    const ZipReader zip = ZipReader::open(folder / "m.zip");
    owner = zip.owner();
    content = zip.bytes(zip.at("a"));
  }
  EXPECT_EQ(as_text(content), "content");
}

TEST(Zip, CrcIsCheckedOnRequest) {
  const Bytes bytes = replaced(make_zip({{"a", "content"}}), "content", "consent");
  const ZipReader zip(bytes, "m");
  EXPECT_THROW(zip.verify_crc(zip.at("a")), Corrupt);
}

TEST(Zip, RefusesUnsafeNames) {
  const Bytes good = make_zip({{"aa/bb", "content"}}, "");
  for (const auto name :
       std::initializer_list<std::string_view>{"../bb", "/a/bb", "aa/..", "aa\\bb", {"aa\0bb", 5}, "a:/bb"}) {
    expect_refused<Corrupt>(replaced(good, "aa/bb", name), "unsafe name");
  }
  EXPECT_NO_THROW(ZipReader(replaced(good, "aa/bb", "a..bb"), "m"));
}

TEST(Zip, RefusesTwoOfOneName) {
  expect_refused<Corrupt>(replaced(make_zip({{"aaa", "1"}, {"bbb", "2"}}), "bbb", "aaa"), "two entries are named");
}

TEST(Zip, RefusesHeadersThatDisagree) {
  const Bytes good = make_zip({{"aaa", "content"}}, "");
  Bytes name = good;
  name[30] = std::byte{'b'};
  expect_refused<Corrupt>(name, "disagree");
  Bytes size = good;
  put_at<std::uint32_t>(size, 22, 3);
  expect_refused<Corrupt>(size, "disagree");
  Bytes crc = good;
  put_at<std::uint32_t>(crc, 14, 3);
  expect_refused<Corrupt>(crc, "disagree");
  Bytes method = good;
  put_at<std::uint16_t>(method, 8, 8);
  expect_refused<Corrupt>(method, "disagree");
}

TEST(Zip, RefusesEntriesThatOverlap) {
  Bytes bytes = make_zip({{"a", std::string(100, 'a')}, {"b", std::string(100, 'b')}}, "");
  for (const std::size_t at : {std::size_t{18}, std::size_t{22}}) put_at<std::uint32_t>(bytes, at, 200);
  for (const std::size_t at : {std::size_t{20}, std::size_t{24}})
    put_at<std::uint32_t>(bytes, central_at(bytes) + at, 200);
  expect_refused<Corrupt>(bytes, "overlap");
}

TEST(Zip, RefusesAbsurdSizes) {
  const Bytes good = make_zip({{"a", "content"}}, "");
  Bytes size = good;
  for (const std::size_t at : {std::size_t{20}, std::size_t{24}})
    put_at<std::uint32_t>(size, central_at(size) + at, 1u << 30);
  expect_refused<Corrupt>(size, "runs past the end");
  Bytes count = good;
  for (const std::size_t back : {14, 12}) put_at<std::uint16_t>(count, count.size() - back, 60000);
  expect_refused<Corrupt>(count, "claims 60000 entries");
  Bytes directory = good;
  put_at<std::uint32_t>(directory, directory.size() - 10, 1u << 30);
  expect_refused<Corrupt>(directory, "outside of the file");
}

TEST(Zip, RefusesWhatItDoesNotSpeak) {
  const Bytes good = make_zip({{"a", "content"}}, "");
  Bytes encrypted = good;
  put_at<std::uint16_t>(encrypted, central_at(good) + 8, 1);
  expect_refused<Unsupported>(encrypted, "encrypted");
  Bytes method = good;
  put_at<std::uint16_t>(method, central_at(good) + 10, 12);
  expect_refused<Unsupported>(method, "compression method 12");
  Bytes disks = good;
  put_at<std::uint16_t>(disks, good.size() - 18, 1);
  expect_refused<Unsupported>(disks, "several disks");
  expect_refused<Corrupt>({}, "not a zip archive");
  expect_refused<Corrupt>(Bytes(100), "no end record");
}

TEST(Zip, ReadsZip64AndDescriptors) {
  // One entry "a" as PyTorch streams it: sizes after the data, then a ZIP64 end record.
  const std::string content = "content";
  const std::uint32_t crc = crc32(std::as_bytes(std::span(content)));
  Bytes bytes;
  const auto append = [&]<typename... T>(T... values) {
    (
        [&] {
          bytes.resize(bytes.size() + sizeof(T));
          store_le(bytes.data() + bytes.size() - sizeof(T), values);
        }(),
        ...);
  };
  const auto text = [&](std::string_view t) {
    for (const char c : t) bytes.push_back(static_cast<std::byte>(c));
  };
  using u16 = std::uint16_t;
  using u32 = std::uint32_t;
  using u64 = std::uint64_t;
  append(u32{0x04034b50}, u16{0}, u16{0x808}, u16{0}, u32{0}, u32{0}, u32{0}, u32{0}, u16{1}, u16{0});
  text("a" + content);
  append(u32{0x08074b50}, crc, u32{7}, u32{7});
  const u64 directory = bytes.size();
  append(u32{0x02014b50}, u16{45}, u16{45}, u16{0x808}, u16{0}, u32{0}, crc, u32{7}, u32{0xffffffff}, u16{1}, u16{12},
         u16{0}, u16{0}, u16{0}, u32{0}, u32{0});
  text("a");
  append(u16{1}, u16{8}, u64{7});
  const u64 end = bytes.size();
  append(u32{0x06064b50}, u64{44}, u16{45}, u16{45}, u32{0}, u32{0}, u64{1}, u64{1}, end - directory, directory);
  append(u32{0x07064b50}, u32{0}, end, u32{1});
  append(u32{0x06054b50}, u16{0}, u16{0}, u16{0xffff}, u16{0xffff}, u32{0xffffffff}, u32{0xffffffff}, u16{0});
  const ZipReader zip(bytes, "m");
  EXPECT_EQ(zip.text(zip.at("a")), content);
  EXPECT_NO_THROW(zip.verify_crc(zip.at("a")));
  for_each_damage(bytes, [](std::span<const std::byte> damaged) { ZipReader(damaged, "damaged"); });
}

Bytes deflated_zip(const std::string& content, std::uint32_t claimed) {
  Bytes packed(content.size() + 100);
  z_stream z{};
  deflateInit2(&z, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  z.avail_in = static_cast<uInt>(content.size());
  z.next_out = reinterpret_cast<Bytef*>(packed.data());
  z.avail_out = static_cast<uInt>(packed.size());
  deflate(&z, Z_FINISH);
  packed.resize(z.total_out);
  deflateEnd(&z);
  MemorySink sink;
  ZipWriter zip(sink);
  zip.add("a", std::span<const std::byte>(packed));
  zip.finish();
  Bytes bytes = sink.take();
  const std::uint32_t crc = crc32(std::as_bytes(std::span(content)));
  const std::size_t central = central_at(bytes);
  for (const auto& [at, value] : {std::pair<std::size_t, std::uint32_t>{14, crc}, {22, claimed}})
    put_at(bytes, at, value);
  for (const auto& [at, value] : {std::pair<std::size_t, std::uint32_t>{16, crc}, {24, claimed}}) {
    put_at(bytes, central + at, value);
  }
  put_at<std::uint16_t>(bytes, 8, 8);
  put_at<std::uint16_t>(bytes, central + 10, 8);
  return bytes;
}

TEST(Zip, InflatesWithLimits) {
  const std::string content(3'000'000, 'x');
  const Bytes bytes = deflated_zip(content, 3'000'000);
  const ZipReader zip(bytes, "m");
  EXPECT_EQ(as_text(zip.read(zip.at("a"), content.size())), content);
  EXPECT_THROW(zip.read(zip.at("a"), content.size() - 1), Corrupt);
  EXPECT_THROW(zip.bytes(zip.at("a")), Unsupported);
  for (const std::uint32_t claimed : {0u, 2'999'999u, 3'000'001u, 4'000'000'000u}) {
    const Bytes liar = deflated_zip(content, claimed);
    const ZipReader reader(liar, "m");
    EXPECT_THROW(reader.read(reader.at("a"), UINT64_MAX), Corrupt) << claimed;
  }
}

TEST(Zip, SurvivesEveryDamage) {
  const Bytes bytes = make_zip({{"a", "1"}, {"data/b", "22"}});
  for_each_damage(bytes, [](std::span<const std::byte> damaged) {
    const ZipReader zip(damaged, "damaged");
    for (const ZipEntry& entry : zip.entries()) zip.verify_crc(entry);
  });
  const Bytes packed = deflated_zip("some content", 12);
  for_each_damage(packed, [](std::span<const std::byte> damaged) {
    const ZipReader zip(damaged, "damaged");
    for (const ZipEntry& entry : zip.entries()) zip.read(entry, 1000);
  });
}

}  // namespace
}  // namespace aitune
