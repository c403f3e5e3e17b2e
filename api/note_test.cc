#include "api/note.h"

#include <gtest/gtest.h>

#include "api/bytes.h"
#include "api/vectors.h"

namespace fairlead::note {
namespace {

std::string NoteOf(const VectorCase& c) {
  std::string out;
  for (const std::string& line : c.fields.at("text")) out += line + "\n";
  out += "\n";
  for (const std::string& line : c.fields.at("signature")) out += line + "\n";
  return out;
}

Verifier VerifierOf(std::string_view name, uint8_t algorithm, const SigningKey& key) {
  return Verifier::Make(name, algorithm, *VerifyKey::FromRaw(key.public_raw()));
}

TEST(Note, PublishedNotesVerify) {
  for (const VectorCase& c : ReadVectors("note.txt")) {
    SCOPED_TRACE(c.name);
    const auto verifier = Verifier::FromVkey(c.at("vkey"));
    ASSERT_TRUE(verifier.ok()) << verifier.status();
    EXPECT_EQ(verifier->ToVkey(), c.at("vkey"));
    auto note = Parse(NoteOf(c));
    ASSERT_TRUE(note.ok()) << note.status();
    EXPECT_EQ(Format(*note), NoteOf(c));
    EXPECT_EQ(note->signatures.size(), c.fields.at("signature").size());
    EXPECT_TRUE(Verify(*note, *verifier));
    note->text[0] ^= 1;
    EXPECT_FALSE(Verify(*note, *verifier));
  }
}

TEST(Note, SigningGivesThePublishedNote) {
  const VectorCase c = ReadVector("note.txt", "sumdb");
  std::string bytes;
  ASSERT_TRUE(Base64Decode(c.at("private"), &bytes));
  const SigningKey key = *SigningKey::FromSeed(bytes.substr(1));
  const std::string text = c.fields.at("text")[0] + "\n" + c.fields.at("text")[1] + "\n";
  EXPECT_EQ(Format({text, {Sign("PeterNeumann", key, text)}}), NoteOf(c));
}

TEST(Note, PublishedCheckpointAndCosignature) {
  const VectorCase c = ReadVector("note.txt", "staging");
  const Note note = *Parse(NoteOf(c));
  const auto checkpoint = ParseCheckpoint(note.text);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->origin, "arche2025h1.staging.ct.transparency.dev");
  EXPECT_EQ(checkpoint->size, 1432088532u);
  EXPECT_EQ(Base64Encode(AsView(checkpoint->root)), c.fields.at("text")[2]);
  EXPECT_EQ(CheckpointText(*checkpoint), note.text);

  const auto cosigner = Verifier::FromVkey(c.at("cosigner"));
  ASSERT_TRUE(cosigner.ok()) << cosigner.status();
  EXPECT_EQ(cosigner->algorithm(), kCosignatureV1);
  uint64_t time_s = 0;
  EXPECT_TRUE(Verify(note, *cosigner, &time_s));
  EXPECT_EQ(std::to_string(time_s), c.at("time"));
  EXPECT_TRUE(Verify(note, *cosigner));
  // The same key for plain signatures is another key.
  EXPECT_FALSE(Verify(note, Verifier::Make(cosigner->name(), kEd25519, cosigner->key())));
}

TEST(Note, OtherVerifierKeysAreRefused) {
  const std::string good = ReadVector("note.txt", "sumdb").at("vkey");
  ASSERT_TRUE(Verifier::FromVkey(good).ok());
  for (size_t n = 0; n < good.size(); ++n) EXPECT_FALSE(Verifier::FromVkey(good.substr(0, n)).ok()) << n;
  for (size_t i = 0; i < good.size(); ++i) {
    for (int b = 0; b < 256; ++b) {
      if (static_cast<char>(b) == good[i]) continue;
      std::string bad = good;
      bad[i] = static_cast<char>(b);
      EXPECT_EQ(Verifier::FromVkey(bad).status().code(), absl::StatusCode::kInvalidArgument) << i << " " << b;
    }
  }
  for (const std::string& bad :
       {good + "=", good + "\n", " " + good, "PeterNeumann+C74F20A3" + good.substr(21), "+c74f20a3" + good.substr(21)}) {
    EXPECT_FALSE(Verifier::FromVkey(bad).ok()) << bad;
  }
}

class NoteFormat : public testing::Test {
 protected:
  const SigningKey key_ = *SigningKey::FromSeed(std::string(32, 'k'));
  const std::string text_ = "a text\n\nof three lines\n";
  const Note note_ = {text_, {Sign("one", key_, text_), Cosign("two", key_, text_, 1700000000)}};
};

TEST_F(NoteFormat, RoundTrip) {
  const auto parsed = Parse(Format(note_));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->text, text_) << "the last blank line ends the text";
  ASSERT_EQ(parsed->signatures.size(), 2u);
  for (int i : {0, 1}) {
    EXPECT_EQ(parsed->signatures[i].name, note_.signatures[i].name);
    EXPECT_EQ(parsed->signatures[i].key_id, note_.signatures[i].key_id);
    EXPECT_EQ(parsed->signatures[i].bytes, note_.signatures[i].bytes);
  }
  EXPECT_EQ(parsed->signatures[0].bytes.size(), 64u);
  EXPECT_EQ(parsed->signatures[1].bytes.size(), 72u);
}

TEST_F(NoteFormat, TruncationAndMutation) {
  const std::string good = Format(note_);
  const size_t first_end = good.find('\n', good.find("\xe2\x80\x94")) + 1;  // a note with its first signature only is a note
  for (size_t n = 0; n < good.size(); ++n) EXPECT_EQ(Parse(good.substr(0, n)).ok(), n == first_end) << n;
  const Verifier one = VerifierOf("one", kEd25519, key_), two = VerifierOf("two", kCosignatureV1, key_);
  for (size_t i = 0; i < good.size(); ++i) {
    for (int b = 0; b < 256; ++b) {
      std::string mutated = good;
      mutated[i] = static_cast<char>(b);
      const auto parsed = Parse(mutated);
      if (!parsed.ok()) {
        ASSERT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
        continue;
      }
      ASSERT_EQ(Format(*parsed), mutated) << i << " " << b;
      // A change of the text breaks both signatures, a change of a signature that one. Few values suffice: each costs a verification.
      if (b % 37 != 0 || mutated == good) continue;
      ASSERT_FALSE(Verify(*parsed, one) && Verify(*parsed, two)) << i << " " << b;
    }
  }
}

TEST_F(NoteFormat, Refusals) {
  const std::string sig = "\xe2\x80\x94 one AAAAAAA=\n";
  ASSERT_TRUE(Parse("x\n\n" + sig).ok());
  const std::string dash = "\xe2\x80\x94 ";
  const std::vector<std::string> malformed_lines = {
      "- one AAAAAAA=\n",                       // another dash
      "\xe2\x80\x94one AAAAAAA=\n",             // no space after it
      dash + "AAAAAAA=\n",                      // no name
      dash + " AAAAAAA=\n",                     // an empty name
      dash + "o+e AAAAAAA=\n",                  // a plus in the name
      dash + "o\xc2\xa0" + "e AAAAAAA=\n",      // a no-break space
      dash + "o\xe2\x80\x83" + "e AAAAAAA=\n",  // an em space
      dash + "one AAAA\n",                      // no room for a key id
      dash + "one AAAAAA==\n",                  // a key id alone
      dash + "one AAAAAAB=\n",                  // bits under the padding
      dash + "one AAAAAAA= \n",                 // a space at the end
  };
  for (const std::string& line : malformed_lines) {
    EXPECT_EQ(Parse("x\n\n" + line).status().code(), absl::StatusCode::kInvalidArgument) << line;
    EXPECT_EQ(Parse("x\n\n" + sig + line).status().code(), absl::StatusCode::kInvalidArgument) << line;
  }
  const std::vector<std::string> refused = {
      "",
      "\n",
      "\n\n",
      "x\n" + sig,
      "\n" + sig,
      "x\n\n",
      "x\n\n" + sig + "\n",
      "x\n\n" + sig + "x",
      // Control characters.
      "x\r\n\n" + sig,
      "x\t\n\n" + sig,
      std::string("x\0\n\n", 4) + sig,
      // Not UTF-8: a stray byte, an overlong zero, a surrogate, beyond U+10FFFF, a cut sequence.
      "\xff\n\n" + sig,
      "\xc0\x80\n\n" + sig,
      "\xed\xa0\x80\n\n" + sig,
      "\xf4\x90\x80\x80\n\n" + sig,
      "\xe2\x80\n\n" + sig,
  };
  for (const std::string& bad : refused) {
    EXPECT_EQ(Parse(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
  EXPECT_TRUE(Parse("\n\n" + sig).ok()) << "an empty line is a text";
  EXPECT_TRUE(Parse("\xc3\xa8 \xf0\x9f\x9a\xa2\n\n" + sig).ok());
}

TEST_F(NoteFormat, Limits) {
  Note note{"x\n", {}};
  for (size_t i = 0; i < kSignaturesMax; ++i) AddSignature(&note, {"key" + std::to_string(i), 1, "s"});
  EXPECT_TRUE(Parse(Format(note)).ok());
  AddSignature(&note, {"one more", 1, "s"});
  EXPECT_EQ(note.signatures.size(), kSignaturesMax);
  note.signatures.push_back({"one-more", 1, "s"});
  EXPECT_FALSE(Parse(Format(note)).ok());

  const std::string end = "\n\n\xe2\x80\x94 one AAAAAAA=\n";
  EXPECT_TRUE(Parse(std::string(kNoteBytesMax - end.size(), 'x') + end).ok());
  EXPECT_FALSE(Parse(std::string(kNoteBytesMax - end.size() + 1, 'x') + end).ok());
}

TEST_F(NoteFormat, ASignatureCountsForItsNameKeyAndAlgorithmOnly) {
  const Verifier one = VerifierOf("one", kEd25519, key_);
  EXPECT_TRUE(Verify(note_, one));
  EXPECT_FALSE(Verify(note_, VerifierOf("two", kEd25519, key_)));
  EXPECT_FALSE(Verify(note_, VerifierOf("one", kCosignatureV1, key_)));
  EXPECT_FALSE(Verify(note_, VerifierOf("one", kEd25519, *SigningKey::FromSeed(std::string(32, 'q')))));
  EXPECT_FALSE(Verify(note_, Verifier()));
  // A bad signature under the right name and id does not hide a good one.
  Note both = note_;
  both.signatures.insert(both.signatures.begin(), {"one", one.key_id(), std::string(64, 'x')});
  EXPECT_TRUE(Verify(both, one));
}

TEST_F(NoteFormat, ASignatureByAnotherKeyOfTheNameIsToldFromNone) {
  const SigningKey key = SigningKey::Generate();
  const SigningKey older = SigningKey::Generate();
  const Verifier verifier = VerifierOf("site/mirror", kCosignatureV1, key);
  const std::string text = "a text\n";
  const Signature by_older = Cosign("site/mirror", older, text, 1);
  EXPECT_FALSE(IsByOtherKey({text, {Cosign("other/mirror", older, text, 1)}}, verifier));
  EXPECT_TRUE(IsByOtherKey({text, {by_older}}, verifier));
  EXPECT_FALSE(IsByOtherKey({text, {by_older, Cosign("site/mirror", key, text, 1)}}, verifier));
}

TEST_F(NoteFormat, ACosignatureSignsItsTime) {
  const Verifier two = VerifierOf("two", kCosignatureV1, key_);
  uint64_t time_s = 0;
  ASSERT_TRUE(Verify(note_, two, &time_s));
  EXPECT_EQ(time_s, 1700000000u);
  EXPECT_TRUE(two.key().Verify("cosignature/v1\ntime 1700000000\n" + text_, note_.signatures[1].bytes.substr(8)));

  Note later = note_;
  later.signatures[1].bytes[7] += 1;
  time_s = 5;
  EXPECT_FALSE(Verify(later, two, &time_s)) << "a relay cannot make it fresher";
  EXPECT_EQ(time_s, 5u);

  Note two_times = note_;
  two_times.signatures.push_back(Cosign("two", key_, text_, 1700000009));
  two_times.signatures.push_back(Cosign("two", key_, text_, 1700000004));
  EXPECT_TRUE(Verify(two_times, two, &time_s));
  EXPECT_EQ(time_s, 1700000009u);
  EXPECT_FALSE(Verify({text_, {Cosign("two", key_, text_, uint64_t{1} << 63)}}, two));
}

TEST_F(NoteFormat, AddSignatureKeepsTheNewest) {
  Note note{text_, {Sign("one", key_, text_)}};
  const Verifier two = VerifierOf("two", kCosignatureV1, key_);
  uint64_t time_s = 0;
  for (const auto& [add_s, want_s] : {std::pair<uint64_t, uint64_t>{100, 100}, {90, 100}, {110, 110}}) {
    AddSignature(&note, Cosign("two", key_, text_, add_s));
    ASSERT_EQ(note.signatures.size(), 2u);
    ASSERT_TRUE(Verify(note, two, &time_s));
    EXPECT_EQ(time_s, want_s);
  }
  AddSignature(&note, {"one", note.signatures[0].key_id, "other bytes"});
  EXPECT_EQ(note.signatures.size(), 2u);
  EXPECT_EQ(note.signatures[0].bytes, "other bytes");
  AddSignature(&note, Sign("three", key_, text_));
  EXPECT_EQ(note.signatures.size(), 3u);
}

TEST(Checkpoint, RoundTrip) {
  Checkpoint c{"net/apac/1/main", 0, {}};
  c.root.fill(7);
  EXPECT_EQ(CheckpointText(c), "net/apac/1/main\n0\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n");
  for (uint64_t size : {uint64_t{0}, uint64_t{1}, uint64_t{10}, UINT64_MAX}) {
    c.size = size;
    const auto parsed = ParseCheckpoint(CheckpointText(c));
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(*parsed, c);
  }
}

TEST(Checkpoint, TruncationAndMutation) {
  const std::string good = "net/apac/1/main\n1024\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n";
  for (size_t n = 0; n < good.size(); ++n) EXPECT_FALSE(ParseCheckpoint(good.substr(0, n)).ok()) << n;
  for (size_t i = 0; i < good.size(); ++i) {
    for (int b = 0; b < 256; ++b) {
      std::string mutated = good;
      mutated[i] = static_cast<char>(b);
      if (const auto parsed = ParseCheckpoint(mutated); parsed.ok()) {
        ASSERT_EQ(CheckpointText(*parsed), mutated);
      }
    }
  }
}

TEST(Checkpoint, Refusals) {
  const std::string root = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n";
  ASSERT_TRUE(ParseCheckpoint("o\n1\n" + root).ok());
  for (const std::string& bad : {"\n1\n" + root, "o\n\n" + root, "o\n01\n" + root, "o\n+1\n" + root, "o\n-1\n" + root, "o\n1 \n" + root,
                                 "o\n0x1\n" + root, "o\n18446744073709551616\n" + root, "o\n1\n" + root + "extension\n",
                                 "o\n1\n" + root + "\n", std::string("o\n1\nBwcH\n"), "o\n1\n " + root}) {
    EXPECT_EQ(ParseCheckpoint(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

}  // namespace
}  // namespace fairlead::note
