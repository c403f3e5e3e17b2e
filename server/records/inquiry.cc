// Inquiries to the help desk.

#include "fairlead/v1/help_desk.pb.h"
#include "fairlead/v1/reference.pb.h"
#include "server/records/checks.h"
#include "server/records/days.h"
#include "server/records/figures.h"
#include "server/records/months.h"
#include "server/records/release.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

bool IsAnswered(v1::InquiryState state) { return state == v1::INQUIRY_STATE_ANSWERED || state == v1::INQUIRY_STATE_CLOSED; }

void Validate(const v1::Inquiry& inquiry, Checks* checks) {
  checks->Line("subject", inquiry.subject(), Need::kRequired, kShortCharsMax);
  checks->Prose("question", inquiry.question(), Need::kRequired, kNotesCharsMax);
  checks->NotZero("channel", inquiry.channel(), "is required: how it came");
  checks->NotZero("inquirer", inquiry.inquirer(), "is required: who asked");
  checks->Line("contact", inquiry.contact(), Need::kOptional, kShortCharsMax);
  checks->Reference("country", inquiry.country(), kCountries, inquiry.system().empty() ? Need::kOptional : Need::kRequired);
  checks->Line("system", inquiry.system(), Need::kOptional, kShortCharsMax);
  checks->NotZero("state", inquiry.state(), "is required: every inquiry has a place in its lifecycle");
  if (inquiry.state() == v1::INQUIRY_STATE_ROUTED) checks->NotZero("region", inquiry.region(), "is required: the region that is to answer");
  checks->Prose("answer", inquiry.answer(), IsAnswered(inquiry.state()) ? Need::kRequired : Need::kOptional, kNotesCharsMax);
  checks->Prose("reason", inquiry.reason(), inquiry.state() == v1::INQUIRY_STATE_REOPENED ? Need::kRequired : Need::kOptional,
                kReasonCharsMax);
  if (inquiry.has_answered_time() && inquiry.has_received_time() && inquiry.answered_time().seconds() < inquiry.received_time().seconds()) {
    checks->Fail(Reason::kFieldInvalid, "received_time", "is after the answer");
  }
}

void SetNow(absl::Time now, google::protobuf::Timestamp* time) { time->set_seconds(absl::ToUnixSeconds(now)); }

void Complete(v1::Inquiry* next, const v1::Inquiry* previous, const RecordReader& reader, absl::Time now) {
  if (!next->has_received_time()) SetNow(now, next->mutable_received_time());
  const bool routed = next->region() != v1::REGION_UNSPECIFIED;
  if (!routed && !next->country().empty()) {
    if (const auto country = FindAs<v1::Country>(reader, next->country())) next->set_region(country->region());
  }
  const bool answers = next->state() == v1::INQUIRY_STATE_ANSWERED && (previous == nullptr || previous->state() != next->state());
  if (answers) SetNow(now, next->mutable_answered_time());
}

std::string SortByReceived(const v1::Inquiry& inquiry) {
  // Of a fixed width, for times from 1970 on.
  return inquiry.has_received_time()
             ? absl::FormatTime("%Y-%m-%dT%H:%M:%S", absl::FromUnixSeconds(inquiry.received_time().seconds()), absl::UTCTimeZone())
             : "~";
}

std::string MonthOfReceipt(const v1::Inquiry& inquiry) { return MonthText(absl::CivilMonth(DayOf(inquiry.received_time()))); }

std::vector<Contribution> Contribute(const v1::Inquiry& inquiry) {
  const std::string month = MonthOfReceipt(inquiry);
  std::vector<Contribution> out = {{figures::Inquiry(figures::kInquiry, month, inquiry.region(), inquiry.state()), 1}};
  if (IsAnswered(inquiry.state())) {
    const int64_t seconds = inquiry.answered_time().seconds() - inquiry.received_time().seconds();
    if (seconds != 0) out.push_back({figures::Inquiry(figures::kInquirySeconds, month, inquiry.region(), inquiry.state()), seconds});
  }
  return out;
}

}  // namespace

RecordType InquiryType() {
  using Inquiry = v1::Inquiry;
  RecordType type;
  type.number = 38;
  type.prototype = &Inquiry::default_instance();
  type.pattern = "inquiries/{inquiry}";
  type.validate = ValidateWith<Inquiry>(Validate);
  type.complete = CompleteWith<Inquiry>(Complete);
  type.state_field = "state";
  type.initial_state = v1::INQUIRY_STATE_OPEN;
  const std::vector<int> unanswered = {v1::INQUIRY_STATE_OPEN, v1::INQUIRY_STATE_ROUTED, v1::INQUIRY_STATE_REOPENED};
  type.transitions = {
      {.method = "RouteInquiry", .from = unanswered, .to = v1::INQUIRY_STATE_ROUTED},
      {.method = "AnswerInquiry", .from = unanswered, .to = v1::INQUIRY_STATE_ANSWERED},
      {.method = "ReopenInquiry", .from = {v1::INQUIRY_STATE_ANSWERED}, .to = v1::INQUIRY_STATE_REOPENED},
      {.method = "CloseInquiry", .from = {v1::INQUIRY_STATE_ANSWERED}, .to = v1::INQUIRY_STATE_CLOSED},
  };
  auto sort = On<Inquiry>(SortByReceived);
  type.indexes = {
      {.number = 380,
       .filter = "region",
       .values = On<Inquiry>([](const Inquiry& i) { return Values{DecimalOf(i.region())}; }),
       .sort = sort},
      {.number = 381,
       .filter = "country",
       .values = On<Inquiry>([](const Inquiry& i) { return i.country().empty() ? Values{} : Values{i.country()}; }),
       .sort = sort},
      {.number = 382,
       .filter = "state",
       .values = On<Inquiry>([](const Inquiry& i) { return Values{DecimalOf(i.state())}; }),
       .sort = sort},
      // Every inquiry, by the time it came: what a window of days is read from.
      {.number = kInquiriesByTime,
       .filter = "received_time",
       .values = On<Inquiry>([](const Inquiry&) { return Values{""}; }),
       .sort = sort},
      {.number = 384, .filter = "month", .values = On<Inquiry>([](const Inquiry& i) { return Values{MonthOfReceipt(i)}; }), .sort = sort},
      {.number = 385,
       .filter = "unrouted",
       .values = On<Inquiry>([](const Inquiry& i) { return i.region() == v1::REGION_UNSPECIFIED ? Values{"1"} : Values{}; }),
       .sort = sort},
      {.number = kInquiriesByAsker, .filter = "asker", .values = On<Inquiry>([](const Inquiry& i) {
                                                         return Askers(i.system(), !IsAnswered(i.state()) && !i.withdrawn());
                                                       })},
  };
  type.contribute = On<Inquiry>(Contribute);
  return type;
}

}  // namespace fairlead::records
