// Files that belong to a record.

#include "server/records/attachment.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>

#include "fairlead/v1/attachment.pb.h"
#include "server/records/checks.h"
#include "server/records/media_type.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

using google::protobuf::Message;
using google::protobuf::RepeatedPtrField;
using v1::Attachment;

v1::Marking MarkingOf(const Message& record) {
  const auto* field = record.GetDescriptor()->FindFieldByName("marking");
  return static_cast<v1::Marking>(record.GetReflection()->GetEnumValue(record, field));
}

RepeatedPtrField<std::string> AudienceOf(const Message& record) {
  const auto* field = record.GetDescriptor()->FindFieldByName("audience");
  RepeatedPtrField<std::string> sites;
  for (int i = 0; i < record.GetReflection()->FieldSize(record, field); ++i) {
    sites.Add(record.GetReflection()->GetRepeatedString(record, field, i));
  }
  return sites;
}

bool Has(const RepeatedPtrField<std::string>& sites, const std::string& site) {
  return std::find(sites.begin(), sites.end(), site) != sites.end();
}

// The subject guards its attachments: they are marked as it is, or higher, and for its sites, or fewer.
void Complete(Attachment* next, const Attachment* previous, const RecordReader& reader, absl::Time) {
  const std::unique_ptr<Message> subject = reader.Find(next->subject());
  if (subject == nullptr) return;
  next->set_marking(std::max(next->marking(), MarkingOf(*subject)));
  const RepeatedPtrField<std::string> sites = AudienceOf(*subject);
  if (sites.empty()) return;
  if (next->audience().empty()) {
    *next->mutable_audience() = sites;
  } else if (previous != nullptr) {  // the subject's may have been narrowed since
    RepeatedPtrField<std::string> kept;
    for (const std::string& site : next->audience()) {
      if (Has(sites, site)) *kept.Add() = site;
    }
    next->mutable_audience()->Swap(&kept);
  }
}

void Validate(const Attachment& next, const Attachment* previous, Checks* checks) {
  checks->Line("title", next.title(), Need::kOptional, kShortCharsMax);
  if (previous != nullptr) {
    const auto fixed = [checks](std::string_view field, const auto& now, const auto& before) {
      if (now != before) checks->Fail(Reason::kFieldImmutable, field, "is fixed when the attachment is made: add another");
    };
    fixed("subject", next.subject(), previous->subject());
    fixed("file_name", next.file_name(), previous->file_name());
    fixed("media_type", next.media_type(), previous->media_type());
    fixed("size_bytes", next.size_bytes(), previous->size_bytes());
    fixed("sha256", next.sha256(), previous->sha256());
  }
  checks->Line("file_name", next.file_name(), Need::kRequired, kShortCharsMax);
  if (next.file_name().find_first_of("/\\") != std::string::npos || next.file_name() == "." || next.file_name() == "..") {
    checks->Fail(Reason::kFieldInvalid, "file_name", "must be a file's name, without folders");
  }
  if (next.media_type().empty()) {
    checks->Fail(Reason::kFieldRequired, "media_type", "is required: what the bytes are");
  } else if (!IsMediaType(next.media_type())) {
    checks->Fail(Reason::kFieldInvalid, "media_type", fmt::format("must be one of {}", fmt::join(MediaTypes(), ", ")));
  }
  if (next.size_bytes() < 1 || next.size_bytes() > kContentBytesMax) {
    checks->Fail(Reason::kFieldInvalid, "size_bytes", fmt::format("must be from 1 to {}", kContentBytesMax));
  }
  if (!IsSha256(next.sha256())) checks->Fail(Reason::kFieldInvalid, "sha256", "must be 64 lower-case hex digits");

  if (next.subject().empty()) return checks->Fail(Reason::kFieldRequired, "subject", "is required: the record it belongs to");
  const std::unique_ptr<Message> subject = checks->reader().Find(next.subject());
  if (subject == nullptr) return checks->Fail(Reason::kReferenceNotFound, "subject", fmt::format("there is no {}", next.subject()));
  if (subject->GetDescriptor() == Attachment::descriptor()) {
    return checks->Fail(Reason::kFieldInvalid, "subject", "must not be an attachment itself");
  }
  const auto* withdrawn = subject->GetDescriptor()->FindFieldByName("withdrawn");
  if (previous == nullptr && subject->GetReflection()->GetBool(*subject, withdrawn)) {
    checks->Fail(Reason::kFieldInvalid, "subject", fmt::format("{} has been withdrawn", next.subject()));
  }
  if (next.marking() < MarkingOf(*subject)) checks->Fail(Reason::kFieldInvalid, "marking", "must not be below the subject's");
  const RepeatedPtrField<std::string> sites = AudienceOf(*subject);
  const bool within = sites.empty() || (!next.audience().empty() && std::all_of(next.audience().begin(), next.audience().end(),
                                                                                [&](const std::string& site) { return Has(sites, site); }));
  if (!within) checks->Fail(Reason::kFieldInvalid, "audience", fmt::format("must be of the subject's: {}", fmt::join(sites, ", ")));
}

}  // namespace

bool IsSha256(std::string_view text) { return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos; }

RecordType AttachmentType() {
  RecordType type;
  type.number = 54;
  type.prototype = &Attachment::default_instance();
  type.pattern = "attachments/{attachment}";
  type.validate = ValidateChange<Attachment>(Validate);
  type.complete = CompleteWith<Attachment>(Complete);
  type.indexes = {
      {.number = kAttachmentsBySubject,
       .filter = "subject",
       .values = On<Attachment>([](const Attachment& a) { return Values{a.subject()}; }),
       .sort = On<Attachment>([](const Attachment& a) { return a.file_name(); })},
      // An erased one has no bytes.
      {.number = kAttachmentsByContent, .filter = "sha256", .values = On<Attachment>([](const Attachment& a) {
                                                              return IsSha256(a.sha256()) ? Values{a.sha256()} : Values{};
                                                            })},
  };
  return type;
}

}  // namespace fairlead::records
