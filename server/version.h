// The version of this release, as status and `--version` show it. Thread safety: constant.

#ifndef FAIRLEAD_SERVER_VERSION_H_
#define FAIRLEAD_SERVER_VERSION_H_

namespace fairlead {

inline constexpr char kVersion[] = FAIRLEAD_VERSION;  // of CMakeLists.txt

}  // namespace fairlead

#endif  // FAIRLEAD_SERVER_VERSION_H_
