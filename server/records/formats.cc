#include "server/records/formats.h"

#include <algorithm>
#include <cstdint>

namespace fairlead::records {
namespace {

constexpr size_t kLabelCharsMax = 63;  // RFC 1035, 2.3.4
constexpr size_t kFigureIdCharsMax = 100;
constexpr size_t kEmailCharsMax = 254;
constexpr size_t kEmailLocalCharsMax = 64;

bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsUpperOrDigit(char c) { return IsUpper(c) || IsDigit(c); }

template <class Predicate>
bool All(std::string_view text, Predicate predicate) {
  return std::all_of(text.begin(), text.end(), predicate);
}

bool IsLabel(std::string_view text) {
  return !text.empty() && text.size() <= kLabelCharsMax && All(text, [](char c) { return IsLower(c) || IsDigit(c) || c == '-'; });
}

// A number from 1 without leading zeros, of at most `digits_max` digits.
bool IsOrdinal(std::string_view text, size_t digits_max) {
  return !text.empty() && text.size() <= digits_max && text[0] != '0' && All(text, IsDigit);
}

// "16.3.1": a first number of 1 to `max`, then numbers of one or two digits.
bool IsParagraph(std::string_view text, int max) {
  bool first = true;
  while (true) {
    size_t dot = text.find('.');
    std::string_view part = text.substr(0, dot);
    if (part.empty() || part.size() > 2 || part[0] == '0' || !All(part, IsDigit)) return false;
    int number = part.size() == 1 ? part[0] - '0' : (part[0] - '0') * 10 + (part[1] - '0');
    if (first && number > max) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
    first = false;
  }
}

}  // namespace

bool IsAlpha2(std::string_view text) { return text.size() == 2 && All(text, IsUpper); }
bool IsAlpha3(std::string_view text) { return text.size() == 3 && All(text, IsUpper); }
bool IsIsoNumeric(std::string_view text) { return text.size() == 3 && All(text, IsDigit); }
bool IsSubdivision(std::string_view text) { return !text.empty() && text.size() <= 3 && All(text, IsUpperOrDigit); }

bool IsLocode(std::string_view text) {
  return text.size() == 5 && IsAlpha2(text.substr(0, 2)) &&
         All(text.substr(2), [](char c) { return IsUpper(c) || (c >= '2' && c <= '9'); });
}

bool IsFacilityNumber(std::string_view text) {
  return text.size() == 10 && IsAlpha2(text.substr(0, 2)) && All(text.substr(2, 3), IsUpperOrDigit) && text[5] == '-' &&
         All(text.substr(6), IsDigit);
}

bool IsScheduleK(std::string_view text) { return text.size() == 5 && All(text, IsDigit); }
bool IsOfficerId(std::string_view text) { return IsLabel(text); }
bool IsSiteName(std::string_view text) { return IsLabel(text); }

bool IsEmail(std::string_view text) {
  size_t at = text.find('@');
  if (text.size() > kEmailCharsMax || at == std::string_view::npos || at == 0 || at > kEmailLocalCharsMax) return false;
  auto is_alnum = [](char c) { return IsLower(c) || IsUpperOrDigit(c); };
  std::string_view local = text.substr(0, at);
  if (local.front() == '.' || local.back() == '.' || local.find("..") != std::string_view::npos) return false;
  if (!All(local, [&](char c) { return is_alnum(c) || std::string_view(".!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos; })) {
    return false;
  }
  std::string_view domain = text.substr(at + 1);
  int labels = 0;
  while (true) {
    size_t dot = domain.find('.');
    std::string_view label = domain.substr(0, dot);
    if (label.empty() || label.size() > kLabelCharsMax || label.front() == '-' || label.back() == '-') return false;
    if (!All(label, [&](char c) { return is_alnum(c) || c == '-'; })) return false;
    ++labels;
    if (dot == std::string_view::npos) return labels >= 2;
    domain.remove_prefix(dot + 1);
  }
}

bool IsIspsReference(std::string_view text) {
  constexpr int kCodeSections = 19;
  constexpr int kSolasRegulations = 13;
  for (std::string_view prefix : {"ISPS A/", "ISPS B/"}) {
    if (text.starts_with(prefix)) return IsParagraph(text.substr(prefix.size()), kCodeSections);
  }
  constexpr std::string_view kSolas = "SOLAS XI-2/";
  return text.starts_with(kSolas) && IsParagraph(text.substr(kSolas.size()), kSolasRegulations);
}

TextScan ScanText(std::string_view text) {
  TextScan scan;
  for (size_t i = 0; i < text.size(); ++scan.characters) {
    auto byte = [&](size_t at) { return at < text.size() ? static_cast<uint8_t>(text[at]) : uint8_t{0}; };
    uint32_t code = byte(i);
    if (code > ' ' && code < 0x7f) {  // nearly all there is
      scan.blank = false;
      ++i;
      continue;
    }
    size_t length = code < 0x80 ? 1 : code < 0xc2 ? 0 : code < 0xe0 ? 2 : code < 0xf0 ? 3 : code < 0xf5 ? 4 : 0;
    if (length > 1) code &= 0x7f >> length;
    for (size_t k = 1; k < length; ++k) {
      if ((byte(i + k) & 0xc0) != 0x80) {
        scan.utf8 = false;
        return scan;
      }
      code = code << 6 | (byte(i + k) & 0x3f);
    }
    bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
    bool surrogate = code >= 0xd800 && code < 0xe000;
    if (length == 0 || overlong || surrogate || code > 0x10ffff) {
      scan.utf8 = false;
      return scan;
    }
    if (code == '\n' || code == '\t') {
      scan.line_break = true;
    } else if (code < 0x20 || (code >= 0x7f && code < 0xa0)) {
      scan.control = true;
    }
    if (code != ' ' && code != '\n' && code != '\t') scan.blank = false;
    i += length;
  }
  return scan;
}

bool IsImoNumber(std::string_view text) {
  if (text.size() != 7 || !All(text, IsDigit)) return false;
  int sum = 0;
  for (int i = 0; i < 6; ++i) sum += (text[i] - '0') * (7 - i);
  return sum % 10 == text[6] - '0';
}

bool IsScheduleKId(std::string_view text) {
  return text.size() > 6 && IsScheduleK(text.substr(0, 5)) && text[5] == '-' && IsOrdinal(text.substr(6), 3);
}

bool IsConditionId(std::string_view text) {
  return text.size() > 3 && IsAlpha2(text.substr(0, 2)) && text[2] == '-' && IsOrdinal(text.substr(3), 2);
}

bool IsFigureId(std::string_view text) {
  return !text.empty() && text.size() <= kFigureIdCharsMax && All(text, [](char c) { return IsLower(c) || IsDigit(c) || c == '-'; });
}

bool IsMonth(std::string_view text) {
  if (text.size() != 7 || text[4] != '-' || !All(text.substr(0, 4), IsDigit) || !All(text.substr(5), IsDigit)) return false;
  const int month = (text[5] - '0') * 10 + (text[6] - '0');
  return (text.starts_with("19") || text[0] == '2') && month >= 1 && month <= 12;
}

}  // namespace fairlead::records
