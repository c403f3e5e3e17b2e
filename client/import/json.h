// Reading of JSON that others wrote.
//
// Thread safety: pure function. Ownership: values.

#ifndef FAIRLEAD_CLIENT_IMPORT_JSON_H_
#define FAIRLEAD_CLIENT_IMPORT_JSON_H_

#include <nlohmann/json.hpp>
#include <string_view>

namespace fairlead::import {

inline constexpr int kJsonDepthMax = 64;

// Discarded (is_discarded) when `text` is not JSON, and when it is nested deeper than kJsonDepthMax: writing a value takes stack for every
// level of it.
template <class Json>
Json ParseJson(std::string_view text) {
  bool deep = false;
  const typename Json::parser_callback_t keep = [&deep](int depth, typename Json::parse_event_t, Json&) {
    deep |= depth > kJsonDepthMax;
    return !deep;
  };
  Json json = Json::parse(text, keep, false);
  return deep ? Json(Json::value_t::discarded) : json;
}

}  // namespace fairlead::import

#endif  // FAIRLEAD_CLIENT_IMPORT_JSON_H_
