#include "client/cli/comments.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <cstddef>
#include <map>
#include <memory>

// A FileDescriptorSet with source info, which protoc leaves out of generated code. FAIRLEAD_COMMENTS_FILE is set by CMake.
asm(".section .rodata\n"
    ".global fairlead_comments_begin\n"
    ".global fairlead_comments_end\n"
    "fairlead_comments_begin:\n"
    ".incbin \"" FAIRLEAD_COMMENTS_FILE
    "\"\n"
    "fairlead_comments_end:\n"
    ".byte 0\n"
    ".text\n");
extern "C" const char fairlead_comments_begin[];
extern "C" const char fairlead_comments_end[];

namespace fairlead::cli {
namespace {

using google::protobuf::FileDescriptor;

std::string OneLine(const std::string& comment) {
  std::string out;
  for (const char c : comment) {
    const bool space = c == '\n' || c == ' ';
    if (!space) {
      out.push_back(c);
    } else if (!out.empty() && out.back() != ' ') {
      out.push_back(' ');
    }
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

using Comments = std::map<std::string, std::string>;

template <class Descriptor>
void Add(const Descriptor& descriptor, Comments* comments) {
  google::protobuf::SourceLocation location;
  if (descriptor.GetSourceLocation(&location)) (*comments)[descriptor.full_name()] = OneLine(location.leading_comments);
}

const Comments& All() {
  static const Comments* const comments = [] {
    auto* all = new Comments;
    google::protobuf::FileDescriptorSet set;
    if (!set.ParseFromArray(fairlead_comments_begin, static_cast<int>(fairlead_comments_end - fairlead_comments_begin))) return all;
    google::protobuf::DescriptorPool pool;
    for (const auto& proto : set.file()) {
      const FileDescriptor* file = pool.BuildFile(proto);
      if (file == nullptr) continue;
      for (int i = 0; i < file->message_type_count(); ++i) {
        const auto* message = file->message_type(i);
        Add(*message, all);
        for (int k = 0; k < message->field_count(); ++k) Add(*message->field(k), all);
      }
      for (int i = 0; i < file->service_count(); ++i) {
        for (int k = 0; k < file->service(i)->method_count(); ++k) Add(*file->service(i)->method(k), all);
      }
    }
    return all;
  }();
  return *comments;
}

}  // namespace

std::string CommentOf(const std::string& full_name) {
  const auto it = All().find(full_name);
  return it == All().end() ? "" : it->second;
}

}  // namespace fairlead::cli
