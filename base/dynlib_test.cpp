#include "base/dynlib.h"

#include <gtest/gtest.h>

namespace aitune {
namespace {

TEST(DynLib, OpensTheFirstThatWorks) {
  std::string why;
  const auto lib = DynLib::open({"libno-such-library.so.9", "libm.so.6"}, &why);
  ASSERT_TRUE(lib);
  EXPECT_NE(lib->path().find("libm.so"), std::string::npos);
  EXPECT_NE(why.find("libno-such-library.so.9"), std::string::npos);
  double (*cosine)(double) = nullptr;
  ASSERT_TRUE(lib->bind("cos", cosine));
  EXPECT_EQ(cosine(0), 1);
  EXPECT_FALSE(lib->bind("no_such_function", cosine));
  EXPECT_EQ(cosine, nullptr);
}

TEST(DynLib, SaysWhyNothingWasFound) {
  std::string why;
  EXPECT_FALSE(DynLib::open({"libno-such-library.so.9"}, &why));
  EXPECT_NE(why.find("No such file"), std::string::npos) << why;
}

}  // namespace
}  // namespace aitune
