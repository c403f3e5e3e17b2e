#include "api/roster.h"

#include <gtest/gtest.h>

#include "api/bytes.h"
#include "api/crypto.h"

namespace fairlead {
namespace {

class RosterTest : public testing::Test {
 protected:
  static SigningKey Key(char c) { return *SigningKey::FromSeed(std::string(32, c)); }
  static note::Verifier Verifier(const std::string& name, uint8_t algorithm, const SigningKey& key) {
    return note::Verifier::Make(name, algorithm, *VerifyKey::FromRaw(key.public_raw()));
  }
  static RosterLog Log(uint32_t id, uint16_t site, const std::string& name, uint32_t epoch, const std::string& stream, char key) {
    const std::string origin = "liaison.example/" + name + "/" + std::to_string(epoch) + "/" + stream;
    return {LogId(id), SiteId(site), name, epoch, stream, Verifier(origin, note::kEd25519, Key(key)), {}};
  }

  RosterTest() {
    sites_ = {{SiteId(1), "apac"}, {SiteId(2), "eame"}, {SiteId(9), "hq"}};
    logs_ = {Log(1, 1, "apac", 1, "main", 'a'), Log(2, 2, "eame", 1, "main", 'b'), Log(3, 9, "hq", 1, "main", 'c'),
             Log(10, 1, "apac", 2, "main", 'd'), Log(11, 1, "apac", 3, "audit", 'e')};
    cosigners_ = {{SiteId(1), Verifier("liaison.example/apac/mirror", note::kCosignatureV1, Key('f'))},
                  {SiteId(9), Verifier("liaison.example/hq/mirror", note::kCosignatureV1, Key('g'))}};
    text_ = Roster::Text("liaison.example", 7, sites_, logs_, cosigners_);
  }

  std::string Signed(const std::string& text) const { return note::Format({text, {note::Sign("liaison.example/root", root_key_, text)}}); }
  absl::Status OpenText(const std::string& text) const { return Roster::Open(Signed(text), root_).status(); }

  const SigningKey root_key_ = Key('r');
  const note::Verifier root_ = Verifier("liaison.example/root", note::kEd25519, root_key_);
  std::vector<RosterSite> sites_;
  std::vector<RosterLog> logs_;
  std::vector<RosterCosigner> cosigners_;
  std::string text_;
};

TEST_F(RosterTest, RoundTrip) {
  const auto roster = Roster::Open(Signed(text_), root_);
  ASSERT_TRUE(roster.ok()) << roster.status();
  EXPECT_EQ(roster->network(), "liaison.example");
  EXPECT_EQ(roster->version(), 7u);
  ASSERT_EQ(roster->sites().size(), 3u);
  EXPECT_EQ(roster->sites()[2].id, SiteId(9));
  EXPECT_EQ(roster->sites()[2].name, "hq");
  ASSERT_EQ(roster->logs().size(), 5u);
  EXPECT_EQ(roster->logs()[3].id, LogId(10));
  EXPECT_EQ(roster->logs()[3].site, SiteId(1));
  EXPECT_EQ(roster->logs()[3].site_name, "apac");
  EXPECT_EQ(roster->logs()[3].epoch, 2u);
  EXPECT_EQ(roster->logs()[3].stream, "main");
  EXPECT_EQ(roster->logs()[3].origin(), "liaison.example/apac/2/main");
  EXPECT_EQ(roster->logs()[3].verifier.ToVkey(), logs_[3].verifier.ToVkey());
  ASSERT_EQ(roster->cosigners().size(), 2u);
  EXPECT_EQ(roster->cosigners()[1].verifier.ToVkey(), cosigners_[1].verifier.ToVkey());
  EXPECT_EQ(Roster::Text(roster->network(), roster->version(), roster->sites(), roster->logs(), roster->cosigners()), text_);
  EXPECT_EQ(text_.substr(0, text_.find("site")), "fairlead roster v1\nnetwork liaison.example\nversion 7\nfold 1\n");
}

TEST_F(RosterTest, StreamsHaveNames) {
  EXPECT_EQ(PartnerStream("JP"), "partner-JP");
  for (const char* name : {"main", "audit", "partner-JP", "partner-jp", "a.b-1"}) EXPECT_TRUE(IsStreamName(name)) << name;
  for (const char* name : {"", "Main", "partner-Jp", "partner-JPN", "partner-J", "Partner-JP", "audit-JP", "a b", "a/b"}) {
    EXPECT_FALSE(IsStreamName(name)) << name;
  }
  logs_.push_back(Log(12, 1, "apac", 3, "partner-JP", 'h'));
  const auto roster = Roster::Open(Signed(Roster::Text("liaison.example", 7, sites_, logs_, cosigners_)), root_);
  ASSERT_TRUE(roster.ok()) << roster.status();
  EXPECT_EQ(roster->CurrentLog(SiteId(1), "partner-JP")->origin(), "liaison.example/apac/3/partner-JP");
  logs_.back() = Log(12, 1, "apac", 3, "partner-Jp", 'h');
  EXPECT_FALSE(OpenText(Roster::Text("liaison.example", 7, sites_, logs_, cosigners_)).ok());
}

TEST_F(RosterTest, TheKeysOfOtherStreamsAreBesideThatOfMain) {
  EXPECT_EQ(LogKeyPath("/keys/log.key", "main"), "/keys/log.key");
  EXPECT_EQ(LogKeyPath("/keys/log.key", "audit"), "/keys/log.audit.key");
  EXPECT_EQ(LogKeyPath("log.pem", PartnerStream("JP")), "log.partner-JP.pem");
}

TEST_F(RosterTest, Lookups) {
  const Roster roster = *Roster::Open(Signed(text_), root_);
  EXPECT_EQ(roster.FindSite("hq")->id, SiteId(9));
  EXPECT_EQ(roster.FindSite(SiteId(2))->name, "eame");
  EXPECT_EQ(roster.FindSite("csa"), nullptr);
  EXPECT_EQ(roster.FindSite(SiteId(3)), nullptr);
  EXPECT_EQ(roster.FindLog(LogId(10))->epoch, 2u);
  EXPECT_EQ(roster.FindLog(LogId(4)), nullptr);
  EXPECT_EQ(roster.FindCosigner(SiteId(9))->verifier.name(), "liaison.example/hq/mirror");
  EXPECT_EQ(roster.FindCosigner(SiteId(2)), nullptr);
  EXPECT_EQ(roster.CurrentLog(SiteId(1), "main")->id, LogId(10));
  EXPECT_EQ(roster.CurrentLog(SiteId(1), "audit")->id, LogId(11));
  EXPECT_EQ(roster.CurrentLog(SiteId(2), "main")->id, LogId(2));
  EXPECT_EQ(roster.CurrentLog(SiteId(2), "audit"), nullptr);
  ASSERT_EQ(roster.CurrentLogs(SiteId(1)).size(), 2u);
  EXPECT_EQ(roster.CurrentLogs(SiteId(1))[0]->id, LogId(10));
  EXPECT_EQ(roster.CurrentLogs(SiteId(1))[1]->id, LogId(11));
  EXPECT_TRUE(roster.CurrentLogs(SiteId(5)).empty());
}

TEST_F(RosterTest, OnlyTheRootKeySigns) {
  const std::string note = Signed(text_);
  EXPECT_EQ(Roster::Open(note, Verifier("liaison.example/root", note::kEd25519, Key('x'))).status().code(),
            absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(Roster::Open(note, Verifier("other/root", note::kEd25519, root_key_)).status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(Roster::Open(note::Format({text_, {note::Cosign("liaison.example/root", root_key_, text_, 1)}}), root_).status().code(),
            absl::StatusCode::kUnauthenticated);
  // A key of another name that signed this network's roster.
  const note::Verifier other = Verifier("other/root", note::kEd25519, root_key_);
  EXPECT_EQ(Roster::Open(note::Format({text_, {note::Sign("other/root", root_key_, text_)}}), other).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Roster::Open("", root_).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(RosterTest, TruncationAndMutation) {
  const std::string good = Signed(text_);
  for (size_t n = 0; n < good.size(); ++n) ASSERT_FALSE(Roster::Open(good.substr(0, n), root_).ok()) << n;
  for (size_t i = 0; i < good.size(); ++i) {
    for (int bit : {0, 1, 5, 7}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
      ASSERT_FALSE(Roster::Open(bad, root_).ok()) << i << " " << bit;
    }
  }
}

// Rules are checked although the root key signed: a slip of the operator must not reach the nodes.
TEST_F(RosterTest, RulesByLine) {
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = text_;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  };
  const std::string eame_key = logs_[1].verifier.ToVkey();
  const std::string hq_line = "log 3 hq 1 main " + logs_[2].verifier.ToVkey() + "\n";
  const std::string apac_mirror = "cosigner apac " + cosigners_[0].verifier.ToVkey() + "\n";
  const struct {
    const char* name;
    std::string text;
    const char* line;
  } cases[] = {
      {"title", with("roster v1", "roster v2"), "line 1:"},
      {"network-name", with("network liaison.example", "network Liaison"), "line 2:"},
      {"network-missing", with("network liaison.example\n", ""), "line 2:"},
      {"network-another", with("network liaison.example", "network liaison.exampl"), "line 2:"},
      {"version-zeros", with("version 7", "version 07"), "line 3:"},
      {"version-beyond-64-bits", with("version 7", "version 18446744073709551616"), "line 3:"},
      {"fold-zero", with("fold 1", "fold 0"), "line 4:"},
      {"site-id-twice", with("site 2 eame", "site 1 eame"), "line 6:"},
      {"site-ids-descend", with("site 1 apac", "site 3 apac"), "line 6:"},
      {"site-id-beyond-16-bits", with("site 9 hq", "site 65536 hq"), "line 7:"},
      {"site-id-negative", with("site 1 apac", "site -1 apac"), "line 5:"},
      {"site-name-twice", with("site 9 hq", "site 9 eame"), "line 7:"},
      {"site-name-with-dot", with("site 9 hq", "site 9 h.q"), "line 7:"},
      {"site-name-empty", with("site 9 hq", "site 9 "), "line 7:"},
      {"site-name-long", with("site 9 hq", "site 9 " + std::string(64, 'h')), "line 7:"},
      {"two-spaces", with("site 9 hq", "site  9 hq"), "line 7:"},
      {"log-of-no-site", with("log 2 eame", "log 2 csa"), "line 9:"},
      {"log-ids-descend", with("log 2 eame", "log 1 eame"), "line 9:"},
      {"log-id-beyond-32-bits", with("log 11 apac", "log 4294967296 apac"), "line 12:"},
      {"log-epoch-zero", with("log 2 eame 1", "log 2 eame 0"), "line 9:"},
      {"log-epoch-not-the-key's", with("log 2 eame 1", "log 2 eame 2"), "line 9:"},
      {"log-stream-not-the-key's", with("log 2 eame 1 main", "log 2 eame 1 other"), "line 9:"},
      {"log-stream-name", with("log 2 eame 1 main", "log 2 eame 1 MAIN"), "line 9:"},
      {"log-twice", with(hq_line, hq_line + "log 4 hq 1 main " + logs_[2].verifier.ToVkey() + "\n"), "line 11:"},
      {"log-key-broken", with(eame_key, eame_key.substr(0, eame_key.size() - 4)), "line 9:"},
      {"log-key-algorithm", with(eame_key, Verifier("liaison.example/eame/1/main", note::kCosignatureV1, Key('b')).ToVkey()), "line 9:"},
      {"log-without-key", with(" " + eame_key, ""), "line 9:"},
      {"log-key-of-another-log", with(eame_key, Verifier("liaison.example/eame/1/main", note::kEd25519, Key('a')).ToVkey()), "line 9:"},
      {"log-key-of-the-root", with(eame_key, Verifier("liaison.example/eame/1/main", note::kEd25519, root_key_).ToVkey()), "line 9:"},
      {"cosigner-key-of-a-log",
       with(cosigners_[0].verifier.ToVkey(), Verifier("liaison.example/apac/mirror", note::kCosignatureV1, Key('a')).ToVkey()), "line 13:"},
      {"cosigner-key-of-another",
       with(cosigners_[1].verifier.ToVkey(), Verifier("liaison.example/hq/mirror", note::kCosignatureV1, Key('f')).ToVkey()), "line 14:"},
      {"cosigner-name",
       with(cosigners_[0].verifier.ToVkey(), Verifier("liaison.example/apac/other", note::kCosignatureV1, Key('f')).ToVkey()), "line 13:"},
      {"cosigner-algorithm",
       with(cosigners_[0].verifier.ToVkey(), Verifier("liaison.example/apac/mirror", note::kEd25519, Key('f')).ToVkey()), "line 13:"},
      {"cosigner-twice", with(apac_mirror, apac_mirror + apac_mirror), "line 14:"},
      {"cosigner-of-no-site", with("cosigner hq", "cosigner csa"), "line 14:"},
      {"site-after-logs", text_ + "site 10 csa\n", "line 15:"},
      {"unknown-line", text_ + "comment\n", "line 15:"},
      {"blank-line", text_ + "\n", "line 15:"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const absl::Status status = OpenText(c.text);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(std::string(status.message()).find(c.line), std::string::npos) << status;
  }
  // Each case differs from a roster that opens.
  EXPECT_TRUE(OpenText(text_).ok());
}

TEST_F(RosterTest, ClosingsAndHeadquarters) {
  Digest root{};
  root.fill(7);
  logs_[3].closing = LogClosing{Seq(5), root};  // apac's second epoch
  const std::string text = Roster::Text("liaison.example", 8, sites_, logs_, cosigners_, "hq");
  const std::string close_line = "close 10 5 " + Base64Encode(AsView(root)) + "\n";
  EXPECT_NE(text.find("site 9 hq\nheadquarters hq\nlog 1 "), std::string::npos) << text;
  EXPECT_NE(text.find(close_line + "cosigner apac "), std::string::npos) << text;
  const auto roster = Roster::Open(Signed(text), root_);
  ASSERT_TRUE(roster.ok()) << roster.status();
  EXPECT_EQ(roster->headquarters(), "hq");
  EXPECT_EQ(roster->digest(), Sha256(text));
  EXPECT_EQ(roster->FindLog(LogId(10))->closing, (LogClosing{Seq(5), root}));
  EXPECT_EQ(roster->FindLog(LogId(1))->closing, std::nullopt);
  EXPECT_EQ(Roster::Text("liaison.example", 8, roster->sites(), roster->logs(), roster->cosigners(), roster->headquarters()), text);
  EXPECT_EQ(roster->CurrentLog(SiteId(1), "main"), nullptr) << "closed, and the one before is not the current one again";
  EXPECT_FALSE(roster->Voids({LogId(10), Seq(4)}));
  EXPECT_TRUE(roster->Voids({LogId(10), Seq(5)}));
  EXPECT_FALSE(roster->Voids({LogId(1), Seq(5)}));
  EXPECT_EQ(roster->Standing(LogId(10), Seq(9)), Seq(5));
  EXPECT_EQ(roster->Standing(LogId(10), Seq(3)), Seq(3));
  EXPECT_EQ(roster->Standing(LogId(77), Seq(9)), Seq(9));
  EXPECT_EQ(Roster::Open(Signed(text_), root_)->headquarters(), "");

  const auto with = [&](const std::string& from, const std::string& to) {
    std::string out = text;
    return out.replace(out.find(from), from.size(), to);
  };
  for (const std::string& bad :
       {with("headquarters hq", "headquarters csa"), with("headquarters hq\n", "headquarters hq\nheadquarters hq\n"),
        with(close_line, close_line + close_line), with("close 10 ", "close 12 "), with("close 10 5", "close 10 05"),
        with("close 10 5 ", "close 10 0 "), with(close_line, "close 10 5 AAAA\n"), with(close_line, "close 10 5\n")}) {
    EXPECT_EQ(OpenText(bad).code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

TEST_F(RosterTest, ANewerFoldVersionOpens) {
  std::string text = text_;
  text.replace(text.find("fold 1"), 6, "fold 2");
  EXPECT_TRUE(OpenText(text).ok());
}

}  // namespace
}  // namespace fairlead
