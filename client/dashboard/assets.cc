#include "client/dashboard/assets.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

namespace fairlead::dashboard {
namespace {

// Where Vite puts what it names after its content.
constexpr std::string_view kHashedPrefix = "/assets/";

const char* ContentTypeOf(std::string_view extension) {
  if (extension == ".html") return "text/html; charset=utf-8";
  if (extension == ".js") return "text/javascript; charset=utf-8";
  if (extension == ".css") return "text/css; charset=utf-8";
  if (extension == ".json") return "application/json";
  if (extension == ".svg") return "image/svg+xml";
  return nullptr;
}

}  // namespace

absl::StatusOr<Assets> LoadAssets(const std::string& folder) {
  namespace fs = std::filesystem;
  Assets assets;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (!it->is_regular_file()) continue;
    const char* const type = ContentTypeOf(it->path().extension().string());
    if (type == nullptr) return absl::InvalidArgumentError(fmt::format("{}: not a file of a page", it->path().string()));
    std::ifstream file(it->path(), std::ios::binary);
    std::ostringstream content;
    content << file.rdbuf();
    if (!file) return absl::NotFoundError(fmt::format("{}: cannot be read", it->path().string()));
    const std::string path = "/" + it->path().lexically_relative(folder).generic_string();
    assets[path] = {content.str(), type, path.starts_with(kHashedPrefix)};
  }
  if (error || !assets.contains("/index.html")) return absl::NotFoundError(fmt::format("{}: holds no page (index.html)", folder));
  return assets;
}

}  // namespace fairlead::dashboard
