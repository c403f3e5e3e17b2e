// The files of the page, read once: a request can only name one of these, never a path.
//
// Thread safety: const after Load. Ownership: values.

#ifndef FAIRLEAD_CLIENT_DASHBOARD_ASSETS_H_
#define FAIRLEAD_CLIENT_DASHBOARD_ASSETS_H_

#include <absl/status/statusor.h>

#include <map>
#include <string>
#include <string_view>

namespace fairlead::dashboard {

struct Asset {
  std::string content;
  std::string content_type;
  bool immutable = false;  // its name changes with its content
};

// By path: "/index.html", "/assets/index-B2a.js".
using Assets = std::map<std::string, Asset, std::less<>>;

// Every file beneath `folder`. NOT_FOUND when it holds no index.html; INVALID_ARGUMENT for a file of an unknown kind.
absl::StatusOr<Assets> LoadAssets(const std::string& folder);

}  // namespace fairlead::dashboard

#endif  // FAIRLEAD_CLIENT_DASHBOARD_ASSETS_H_
