// Best practices: contributions, which know their source, and what is shared, which does not.

#include <absl/strings/ascii.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "fairlead/v1/practice.pb.h"
#include "fairlead/v1/reference.pb.h"
#include "server/records/checks.h"
#include "server/records/formats.h"
#include "server/records/release.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

bool IsLetter(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || static_cast<unsigned char>(c) >= 0x80; }

// Whether `text` holds `words` as words of their own, whatever their case.
bool Mentions(const std::string& text, const std::string& words) {
  if (words.empty()) return false;
  const std::string in = absl::AsciiStrToLower(text);
  const std::string what = absl::AsciiStrToLower(words);
  for (size_t at = in.find(what); at != std::string::npos; at = in.find(what, at + 1)) {
    const bool begins = at == 0 || !IsLetter(in[at - 1]);
    const size_t end = at + what.size();
    if (begins && (end == in.size() || !IsLetter(in[end]))) return true;
  }
  return false;
}

// The name that gives the country away; empty when none does. Of "Iran, Islamic Republic of" the part before the comma is a name, too.
std::string NameOfCountryIn(const std::string& text, const v1::Country& country) {
  const std::string& shown = country.display_name();
  for (const std::string& name : {shown, shown.substr(0, shown.find(',')), country.official_name()}) {
    if (Mentions(text, name)) return name;
  }
  return "";
}

// Refuses a text that names any country that is recorded. Countries are few, and their keys are all of two letters.
void NamesNoCountry(std::string_view field, const std::string& text, Checks* checks) {
  for (char first = 'A'; first <= 'Z'; ++first) {
    for (char second = 'A'; second <= 'Z'; ++second) {
      const auto country = FindAs<v1::Country>(checks->reader(), fmt::format("{}/{}{}", kCountries.name, first, second));
      if (country == nullptr) continue;
      const std::string name = NameOfCountryIn(text, *country);
      if (!name.empty())
        return checks->Fail(Reason::kFieldInvalid, field, fmt::format("names \"{}\": a best practice is shared unattributed", name));
    }
  }
}

void ValidateText(const std::string& title, const std::string& text, Checks* checks) {
  checks->Line("title", title, Need::kRequired, kShortCharsMax);
  checks->Prose("text", text, Need::kRequired, kProseCharsMax);
}

void ValidateContribution(const v1::PracticeContribution& contribution, Checks* checks) {
  ValidateText(contribution.title(), contribution.text(), checks);
  checks->Reference("country", contribution.country(), kCountries, Need::kRequired);
  checks->Line("system", contribution.system(), Need::kOptional, kShortCharsMax);
  const auto engagement = FindAs<v1::Engagement>(checks->reader(), contribution.engagement());
  if (contribution.engagement().empty() && !contribution.system().empty()) {
    // The nation's own: no engagement is needed to know where it was seen.
  } else if (engagement == nullptr) {
    checks->Fail(contribution.engagement().empty() ? Reason::kFieldRequired : Reason::kReferenceNotFound, "engagement",
                 contribution.engagement().empty() ? "is required" : fmt::format("there is no engagement {}", contribution.engagement()));
  } else if (!contribution.country().empty() && std::find(engagement->countries().begin(), engagement->countries().end(),
                                                          contribution.country()) == engagement->countries().end()) {
    checks->Fail(Reason::kFieldInvalid, "country", fmt::format("must be one of the countries of {}", contribution.engagement()));
  }
  checks->NotZero("state", contribution.state(), "is required: every contribution has a place in its lifecycle");
  const bool reviewed = contribution.state() == v1::CONTRIBUTION_STATE_RETURNED || contribution.state() == v1::CONTRIBUTION_STATE_ACCEPTED;
  checks->Prose("review", contribution.review(), reviewed ? Need::kRequired : Need::kOptional, kReasonCharsMax);
  checks->Prose("notes", contribution.notes(), Need::kOptional, kNotesCharsMax);
  if (!contribution.practice().empty() && FindAs<v1::BestPractice>(checks->reader(), contribution.practice()) == nullptr) {
    checks->Fail(Reason::kReferenceNotFound, "practice", fmt::format("there is no best practice {}", contribution.practice()));
  }
  if (contribution.state() != v1::CONTRIBUTION_STATE_ACCEPTED) return;
  NamesNoCountry("title", contribution.title(), checks);
  NamesNoCountry("text", contribution.text(), checks);
  if (engagement == nullptr) return;
  const auto names_place = [&](const std::string& name) {
    if (Mentions(contribution.title(), name) || Mentions(contribution.text(), name)) {
      checks->Fail(Reason::kFieldInvalid, "text",
                   fmt::format("names \"{}\", a place of the engagement: a best practice is shared unattributed", name));
    }
  };
  for (const std::string& port : engagement->ports()) {
    if (const auto found = FindAs<v1::Port>(checks->reader(), port)) names_place(found->display_name());
  }
  for (const std::string& facility : engagement->facilities()) {
    if (const auto found = FindAs<v1::PortFacility>(checks->reader(), facility)) names_place(found->display_name());
  }
}

void ValidatePractice(const v1::BestPractice& practice, const v1::BestPractice* previous, Checks* checks) {
  ValidateText(practice.title(), practice.text(), checks);
  NamesNoCountry("title", practice.title(), checks);
  NamesNoCountry("text", practice.text(), checks);
  checks->NotZero("state", practice.state(), "is required: every practice has a place in its lifecycle");
  checks->Line("isps_reference", practice.isps_reference(), Need::kOptional, kShortCharsMax);
  checks->Code("isps_reference", practice.isps_reference(), IsIspsReference, "a reference such as \"ISPS A/16.3\" or \"SOLAS XI-2/10\"");
  checks->Prose("reason", practice.reason(), practice.state() == v1::PRACTICE_STATE_RETIRED ? Need::kRequired : Need::kOptional,
                kReasonCharsMax);
  if (!practice.supersedes().empty()) {
    if (practice.supersedes() == practice.name()) {
      checks->Fail(Reason::kFieldInvalid, "supersedes", "a practice does not take its own place");
    } else if (FindAs<v1::BestPractice>(checks->reader(), practice.supersedes()) == nullptr) {
      checks->Fail(Reason::kReferenceNotFound, "supersedes", fmt::format("there is no best practice {}", practice.supersedes()));
    }
  }
  if (practice.version() < 1) checks->Fail(Reason::kFieldInvalid, "version", "is counted from 1");
  if (previous == nullptr) return;
  if (practice.version() < previous->version()) checks->Fail(Reason::kFieldInvalid, "version", "never falls");
  if (practice.version() == previous->version() && previous->state() == v1::PRACTICE_STATE_PUBLISHED &&
      (practice.text() != previous->text() || practice.title() != previous->title())) {
    checks->Fail(Reason::kFieldInvalid, "version", "rises when a published practice changes");
  }
}

void ValidateEndorsement(const v1::Endorsement& endorsement, Checks* checks) {
  const std::string_view parent = ParentOf(endorsement.name());
  const auto practice = FindAs<v1::BestPractice>(checks->reader(), parent);
  if (practice == nullptr) {
    checks->Fail(Reason::kReferenceNotFound, "name", fmt::format("there is no best practice {}", parent));
  } else if (practice->state() != v1::PRACTICE_STATE_PUBLISHED) {
    checks->Fail(Reason::kFieldInvalid, "name", fmt::format("{} is not published", parent));
  }
  const bool of_nation = !endorsement.nation().empty();
  checks->Reference("officer", endorsement.officer(), kLiaisonOfficers, of_nation ? Need::kOptional : Need::kRequired);
  checks->Reference("nation", endorsement.nation(), kCountries, Need::kOptional);
  if (of_nation && !endorsement.officer().empty()) checks->Fail(Reason::kFieldInvalid, "officer", "is a nation's endorsement");
  checks->Prose("remark", endorsement.remark(), Need::kOptional, kReasonCharsMax);
  NamesNoCountry("remark", endorsement.remark(), checks);
}

}  // namespace

RecordType PracticeContributionType() {
  using Contribution = v1::PracticeContribution;
  RecordType type;
  type.number = 35;
  type.prototype = &Contribution::default_instance();
  type.pattern = "practiceContributions/{practice_contribution}";
  type.validate = ValidateWith<Contribution>(ValidateContribution);
  type.state_field = "state";
  type.initial_state = v1::CONTRIBUTION_STATE_DRAFT;
  type.transitions = {
      {.method = "SubmitPracticeContribution",
       .from = {v1::CONTRIBUTION_STATE_DRAFT, v1::CONTRIBUTION_STATE_RETURNED},
       .to = v1::CONTRIBUTION_STATE_SUBMITTED},
      {.method = "ReturnPracticeContribution", .from = {v1::CONTRIBUTION_STATE_SUBMITTED}, .to = v1::CONTRIBUTION_STATE_RETURNED},
      {.method = "AcceptPracticeContribution", .from = {v1::CONTRIBUTION_STATE_SUBMITTED}, .to = v1::CONTRIBUTION_STATE_ACCEPTED},
  };
  type.indexes = {
      {.number = 350, .filter = "country", .values = On<Contribution>([](const Contribution& c) { return Values{c.country()}; })},
      {.number = 351, .filter = "state", .values = On<Contribution>([](const Contribution& c) { return Values{DecimalOf(c.state())}; })},
      {.number = kContributionsByAsker, .filter = "asker", .values = On<Contribution>([](const Contribution& c) {
                                                             return Askers(c.system(),
                                                                           c.state() == v1::CONTRIBUTION_STATE_SUBMITTED && !c.withdrawn());
                                                           })},
  };
  return type;
}

RecordType BestPracticeType() {
  using Practice = v1::BestPractice;
  RecordType type;
  type.number = 36;
  type.prototype = &Practice::default_instance();
  type.pattern = "bestPractices/{best_practice}";
  type.validate = ValidateChange<Practice>(ValidatePractice);
  type.complete = CompleteWith<Practice>([](Practice* next, const Practice*, const RecordReader&, absl::Time) {
    if (next->version() == 0) next->set_version(1);
  });
  type.state_field = "state";
  type.initial_state = v1::PRACTICE_STATE_DRAFT;
  type.transitions = {
      {.method = "PublishBestPractice", .from = {v1::PRACTICE_STATE_DRAFT}, .to = v1::PRACTICE_STATE_PUBLISHED},
      {.method = "RetireBestPractice", .from = {v1::PRACTICE_STATE_PUBLISHED}, .to = v1::PRACTICE_STATE_RETIRED},
  };
  type.indexes = {
      {.number = 360, .filter = "topic", .values = On<Practice>([](const Practice& p) {
                                           Values topics;
                                           for (const int topic : p.topics()) topics.push_back(DecimalOf(topic));
                                           return topics;
                                         })},
      {.number = 361, .filter = "state", .values = On<Practice>([](const Practice& p) { return Values{DecimalOf(p.state())}; })},
      PublicIndex(362),
  };
  return type;
}

RecordType EndorsementType() {
  using Endorsement = v1::Endorsement;
  RecordType type;
  type.number = 37;
  type.prototype = &Endorsement::default_instance();
  type.pattern = "bestPractices/{best_practice}/endorsements/{endorsement}";
  type.validate = ValidateWith<Endorsement>(ValidateEndorsement);
  type.indexes = {{.number = 370, .filter = "parent", .values = On<Endorsement>([](const Endorsement& e) {
                                                        return Values{std::string(ParentOf(e.name()))};
                                                      })},
                  {.number = kEndorsementsByNation, .filter = "nation", .values = On<Endorsement>([](const Endorsement& e) {
                                                                          return e.nation().empty() ? Values{} : Values{e.nation()};
                                                                        })}};
  return type;
}

}  // namespace fairlead::records
