// What the bytes of an attachment may be, and whether bytes are what they are said to be.
//
// The looks are at form, not at content: a file that passes is one that programs for its type open. Nothing here runs or renders it.
//
// Thread safety: pure functions; a MediaTypeCheck is used by one thread. Ownership: values.

#ifndef FAIRLEAD_SERVER_RECORDS_MEDIA_TYPE_H_
#define FAIRLEAD_SERVER_RECORDS_MEDIA_TYPE_H_

#include <absl/status/status.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead::records {

// "application/pdf" and so on, ascending.
const std::vector<std::string>& MediaTypes();
bool IsMediaType(std::string_view media_type);

// Looks at bytes that come in pieces. PDF (ISO 32000-1, 7.5.2), JPEG (ISO/IEC 10918-1) and PNG (ISO/IEC 15948) begin with their signatures;
// texts are UTF-8 without control characters but tab, line feed, form feed and carriage return; docx and xlsx (ISO/IEC 29500-2) are zip
// archives that name the part that makes them such.
class MediaTypeCheck {
 public:
  // REQUIRES: IsMediaType.
  explicit MediaTypeCheck(std::string media_type);
  void Append(std::string_view bytes);
  // Of all that was appended. INVALID_ARGUMENT says what is missing.
  absl::Status Finish() const;

 private:
  void AppendText(std::string_view bytes);

  const std::string media_type_;
  std::string head_;          // the first bytes, as many as a signature has
  std::string tail_;          // what a part's name that is cut in two begins with
  bool part_seen_ = false;    // of docx and xlsx
  bool text_broken_ = false;  // a byte that no such text has
  // Of a UTF-8 character that is cut in two: how many bytes it lacks, and the range of the next.
  int lacking_ = 0;
  unsigned char next_min_ = 0x80;
  unsigned char next_max_ = 0xbf;
};

}  // namespace fairlead::records

#endif  // FAIRLEAD_SERVER_RECORDS_MEDIA_TYPE_H_
