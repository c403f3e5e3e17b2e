// The formats of keys, codes and references, each with its source.
//
// Thread safety: pure functions. Ownership: none.

#ifndef FAIRLEAD_SERVER_RECORDS_FORMATS_H_
#define FAIRLEAD_SERVER_RECORDS_FORMATS_H_

#include <cstddef>
#include <string_view>

namespace fairlead::records {

// Two upper-case letters (ISO 3166-1 alpha-2).
bool IsAlpha2(std::string_view text);
// Three upper-case letters (ISO 3166-1 alpha-3).
bool IsAlpha3(std::string_view text);
// Three digits (ISO 3166-1 numeric).
bool IsIsoNumeric(std::string_view text);
// One to three upper-case letters or digits (ISO 3166-2, without the country).
bool IsSubdivision(std::string_view text);
// A country's two letters, then three of A to Z and 2 to 9 (UN/LOCODE, UNECE Recommendation 16).
bool IsLocode(std::string_view text);
// Two letters, three letters or digits, a hyphen, four digits (IMO port facility number).
bool IsFacilityNumber(std::string_view text);
// Five digits (Schedule K).
bool IsScheduleK(std::string_view text);
// 1 to 63 of a to z, 0 to 9 and hyphen.
bool IsOfficerId(std::string_view text);
// 1 to 63 of a to z, 0 to 9 and hyphen (api/roster.h).
bool IsSiteName(std::string_view text);
// local@domain.tld: at most 254 characters, the local part at most 64; no quoting, no comments (the usual subset of RFC 5321).
bool IsEmail(std::string_view text);
// "ISPS A/16.3", "ISPS B/15.7.2" (Parts A and B: sections 1 to 19) or "SOLAS XI-2/10.1" (regulations 1 to 13).
bool IsIspsReference(std::string_view text);

// What a text is made of.
struct TextScan {
  bool utf8 = true;         // well-formed UTF-8 (RFC 3629); the rest is meaningless when it is not
  bool control = false;     // holds a control character (U+0000 to U+001F, U+007F to U+009F) other than line feed and tab
  bool line_break = false;  // holds a line feed or tab
  bool blank = true;        // nothing but spaces, line feeds and tabs
  size_t characters = 0;    // code points
};
TextScan ScanText(std::string_view text);

// An IMO ship number: seven digits, the last of which is the last digit of the sum of the first six times 7, 6, 5, 4, 3 and 2.
bool IsImoNumber(std::string_view text);
// "72142-2": a Schedule K code and a number from 1, of at most three digits.
bool IsScheduleKId(std::string_view text);
// "CU-2": a country and a number from 1, of at most two digits.
bool IsConditionId(std::string_view text);
// 1 to 100 lower-case letters, digits and hyphens.
bool IsFigureId(std::string_view text);
// "2017-12": a year of 1900 to 2999, a month of 01 to 12.
bool IsMonth(std::string_view text);

}  // namespace fairlead::records

#endif  // FAIRLEAD_SERVER_RECORDS_FORMATS_H_
