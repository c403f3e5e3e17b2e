#include "api/sha256_stream.h"

#include <gtest/gtest.h>

#include <string>

#include "api/crypto.h"

namespace fairlead {
namespace {

TEST(Sha256Stream, GivesTheDigestOfTheWholeHoweverItIsCut) {
  const std::string whole(1000, 'x');
  for (const size_t cut : {size_t{0}, size_t{1}, size_t{64}, size_t{999}, size_t{1000}}) {
    Sha256Stream stream;
    stream.Append(std::string_view(whole).substr(0, cut));
    stream.Append(std::string_view(whole).substr(cut));
    EXPECT_EQ(stream.Finish(), Sha256(whole)) << cut;
  }
  EXPECT_EQ(Sha256Stream().Finish(), Sha256(""));
}

}  // namespace
}  // namespace fairlead
