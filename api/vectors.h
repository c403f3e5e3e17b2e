// Reads the vector files of tests/vectors: cases of "key value" lines, '#' comments between them. For tests only.

#ifndef FAIRLEAD_API_VECTORS_H_
#define FAIRLEAD_API_VECTORS_H_

#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace fairlead {

struct VectorCase {
  std::string name;
  std::map<std::string, std::vector<std::string>> fields;  // every value of a key, in order
  // The first value. Throws, and so fails the test, when there is none.
  const std::string& at(const std::string& key) const { return fields.at(key).front(); }
};

// Relative to the working directory, which is the root of the repository.
inline std::vector<VectorCase> ReadVectors(const std::string& file) {
  std::ifstream in("tests/vectors/" + file);
  std::vector<VectorCase> cases;
  for (std::string line; std::getline(in, line);) {
    const size_t space = line.find(' ');
    if (line.empty() || line[0] == '#' || space == std::string::npos) continue;
    const std::string key = line.substr(0, space);
    const std::string value = line.substr(space + 1);
    if (key == "case") {
      cases.push_back({value, {}});
    } else {
      cases.back().fields[key].push_back(value);
    }
  }
  if (cases.empty()) throw std::runtime_error("no vectors in tests/vectors/" + file + " (run from the root of the repository)");
  return cases;
}

inline VectorCase ReadVector(const std::string& file, const std::string& name) {
  for (VectorCase& c : ReadVectors(file)) {
    if (c.name == name) return c;
  }
  throw std::runtime_error("no case " + name + " in " + file);
}

// '-' is the empty string.
inline std::string FromHex(const std::string& hex) {
  std::string bytes;
  if (hex == "-") return bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

}  // namespace fairlead

#endif  // FAIRLEAD_API_VECTORS_H_
