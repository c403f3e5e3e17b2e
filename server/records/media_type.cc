#include "server/records/media_type.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace fairlead::records {
namespace {

constexpr std::string_view kZip("PK\x03\x04", 4);
constexpr size_t kHeadBytes = 8;

struct Form {
  std::string_view signature;  // empty: a text
  std::string_view part;       // of an archive: the name of a member that it must have
};

const std::map<std::string, Form, std::less<>>& Forms() {
  static const auto* const forms = new std::map<std::string, Form, std::less<>>{
      {"application/pdf", {"%PDF-", ""}},
      {"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", {kZip, "xl/workbook.xml"}},
      {"application/vnd.openxmlformats-officedocument.wordprocessingml.document", {kZip, "word/document.xml"}},
      {"image/jpeg", {"\xff\xd8\xff", ""}},
      {"image/png", {"\x89PNG\r\n\x1a\n", ""}},
      {"text/csv", {"", ""}},
      {"text/plain", {"", ""}},
  };
  return *forms;
}

}  // namespace

const std::vector<std::string>& MediaTypes() {
  static const auto* const types = [] {
    auto* all = new std::vector<std::string>;
    for (const auto& [type, form] : Forms()) all->push_back(type);
    return all;
  }();
  return *types;
}

bool IsMediaType(std::string_view media_type) { return Forms().contains(media_type); }

MediaTypeCheck::MediaTypeCheck(std::string media_type) : media_type_(std::move(media_type)) {}

void MediaTypeCheck::Append(std::string_view bytes) {
  const Form& form = Forms().find(media_type_)->second;
  if (head_.size() < kHeadBytes) head_.append(bytes.substr(0, kHeadBytes - head_.size()));
  if (form.signature.empty()) return AppendText(bytes);
  if (form.part.empty() || part_seen_) return;
  // The name may lie across the end of the piece before.
  tail_.append(bytes.substr(0, form.part.size() - 1));
  part_seen_ = tail_.find(form.part) != std::string::npos || bytes.find(form.part) != std::string_view::npos;
  if (bytes.size() >= form.part.size() - 1) {
    tail_ = bytes.substr(bytes.size() - (form.part.size() - 1));
  } else if (tail_.size() > form.part.size() - 1) {
    tail_.erase(0, tail_.size() - (form.part.size() - 1));
  }
}

// RFC 3629, section 4: the first byte says how many follow and what the second may be.
void MediaTypeCheck::AppendText(std::string_view bytes) {
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (lacking_ > 0) {
      if (byte < next_min_ || byte > next_max_) text_broken_ = true;
      --lacking_;
      next_min_ = 0x80;
      next_max_ = 0xbf;
    } else if (byte < 0x80) {
      const bool space = byte == '\t' || byte == '\n' || byte == '\f' || byte == '\r';
      if ((byte < 0x20 && !space) || byte == 0x7f) text_broken_ = true;
    } else if (byte >= 0xc2 && byte <= 0xf4) {
      lacking_ = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
      if (byte == 0xe0) next_min_ = 0xa0;
      if (byte == 0xed) next_max_ = 0x9f;
      if (byte == 0xf0) next_min_ = 0x90;
      if (byte == 0xf4) next_max_ = 0x8f;
    } else {
      text_broken_ = true;
    }
    if (text_broken_) return;
  }
}

absl::Status MediaTypeCheck::Finish() const {
  const Form& form = Forms().find(media_type_)->second;
  if (form.signature.empty()) {
    if (!text_broken_ && lacking_ == 0) return absl::OkStatus();
    return absl::InvalidArgumentError(fmt::format("the bytes are not {}: they are no UTF-8 text", media_type_));
  }
  if (!head_.starts_with(form.signature)) {
    return absl::InvalidArgumentError(fmt::format("the bytes are not {}: they do not begin as such a file does", media_type_));
  }
  if (!form.part.empty() && !part_seen_) {
    return absl::InvalidArgumentError(fmt::format("the bytes are not {}: the archive has no {}", media_type_, form.part));
  }
  return absl::OkStatus();
}

}  // namespace fairlead::records
