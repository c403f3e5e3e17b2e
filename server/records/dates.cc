#include "server/records/dates.h"

#include <fmt/format.h>

namespace fairlead::records {
namespace {

int DaysIn(int year, int month) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return month == 2 && leap ? 29 : kDays[month - 1];
}

}  // namespace

bool IsDate(const google::type::Date& date) {
  if (date.year() < 1 || date.year() > 9999 || date.month() < 0 || date.month() > 12 || date.day() < 0) return false;
  return date.month() == 0 ? date.day() == 0 : date.day() <= DaysIn(date.year(), date.month());
}

bool IsWholeDate(const google::type::Date& date) { return IsDate(date) && date.day() != 0; }

bool IsBefore(const google::type::Date& date, const google::type::Date& other) {
  if (date.year() != other.year()) return date.year() < other.year();
  if (date.month() == 0 || other.month() == 0) return false;
  if (date.month() != other.month()) return date.month() < other.month();
  if (date.day() == 0 || other.day() == 0) return false;
  return date.day() < other.day();
}

// By hand: every record that is indexed by date has several of these made.
std::string DateText(const google::type::Date& date) {
  if (!IsDate(date)) return fmt::format("{:04}-{:02}-{:02}", date.year(), date.month(), date.day());
  std::string text = "0000-00-00";
  const auto put = [&text](size_t end, int number) {
    for (; number > 0; number /= 10) text[--end] = static_cast<char>('0' + number % 10);
  };
  put(4, date.year());
  put(7, date.month());
  put(10, date.day());
  return text;
}

}  // namespace fairlead::records
