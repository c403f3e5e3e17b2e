// A partner's system at the command line: `fairlead-partner --help`. Prints one message a line, as JSON.

#include <fcntl.h>
#include <google/protobuf/util/json_util.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <stdexcept>

#include "exchange.h"

namespace {

namespace v1 = fairlead::v1;
using fairlead_partner::Exchange;
using fairlead_partner::NewRequestId;

constexpr char kUsage[] = R"(usage: fairlead-partner --config FILE COMMAND

  list [--page-size N]           what is released
  get NAME                       one released record
  watch [--token-file FILE]      what is released, then each change, until it is ended; goes on from the token in FILE
        [--until-complete]       only what is released now
  withdrawals                    what was recalled
  acknowledge NAME [--remark TEXT]
  submit KIND --text TEXT        KIND is facility, port, observation-response or correction
         [--record NAME] [--subject CODE] [--request-id UUID]
  suggestion NAME                a proposal and its outcome
  suggestions                    all of them
  ask --subject TEXT --text TEXT
  question NAME                  a question and its answer
  receipts [--record NAME]       what was submitted and sent, with a receipt for each
  receipt NAME FILE              save a receipt, for `fairlead verify receipt`
  consistency RECEIPT FILE       save the proof that the log of a saved receipt has only grown since
)";

struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Arguments {
  std::string command;
  std::string name;
  std::string file;
  std::map<std::string, std::string> options;
  bool until_complete = false;

  std::string Option(const std::string& option, const std::string& otherwise = "") const {
    const auto found = options.find(option);
    return found == options.end() ? otherwise : found->second;
  }
  std::string Required(const std::string& option) const {
    std::string value = option == "FILE" ? file : option.starts_with("--") ? Option(option) : name;
    if (value.empty()) throw UsageError(option + " is missing");
    return value;
  }
};

Arguments Parse(int argc, char** argv) {
  static const auto* const known = new std::vector<std::string>{"--config", "--page-size", "--token-file", "--remark",
                                                                "--record", "--subject",   "--text",       "--request-id"};
  Arguments arguments;
  std::vector<std::string> words;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--until-complete") {
      arguments.until_complete = true;
    } else if (std::find(known->begin(), known->end(), word) != known->end()) {
      if (++i == argc) throw UsageError(word + " needs a value");
      arguments.options[word] = argv[i];
    } else if (word.starts_with("-")) {
      throw UsageError("no option " + word);
    } else {
      words.push_back(word);
    }
  }
  const bool saves = !words.empty() && (words[0] == "receipt" || words[0] == "consistency");
  if (words.empty() || words.size() > (saves ? 3 : 2)) throw UsageError("which COMMAND?");
  words.resize(3);
  arguments.command = words[0];
  arguments.name = words[1];
  arguments.file = words[2];
  return arguments;
}

void Print(const google::protobuf::Message& message) {
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(message, &json).ok()) throw std::runtime_error("the answer is no JSON");
  std::cout << json << std::endl;
}

// Whole or not at all, also when the machine stops.
void ReplaceFile(const std::string& file, const std::string& text) {
  const std::filesystem::path path = file;
  const std::string next = (path.parent_path() / ("." + path.filename().string() + ".next")).string();
  const int fd = open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const bool written = fd >= 0 && write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && fsync(fd) == 0;
  if (fd >= 0) close(fd);
  if (!written || rename(next.c_str(), file.c_str()) != 0) throw std::runtime_error("cannot write " + file);
}

// Calls for one message, and prints it.
template <class Message, class Call>
grpc::Status PrintOne(const Call& call) {
  Message message;
  const grpc::Status status = call(&message);
  if (status.ok()) Print(message);
  return status;
}

grpc::Status RunWatch(Exchange& exchange, const Arguments& arguments) {
  const std::string file = arguments.Option("--token-file");
  std::string token;
  if (!file.empty()) std::getline(std::ifstream(file), token);
  return exchange.Watch(token, [&](const v1::WatchReleasedRecordsResponse& response) {
    Print(response);  // where a system would store it
    if (!response.complete()) return true;
    if (!file.empty()) ReplaceFile(file, response.resume_token() + "\n");
    return !arguments.until_complete;
  });
}

grpc::Status RunReceipt(Exchange& exchange, const Arguments& arguments) {
  const std::string file = arguments.Required("FILE");
  std::string text;
  grpc::Status status = exchange.GetReceipt(arguments.Required("NAME"), &text);
  if (status.ok()) ReplaceFile(file, text);
  return status;
}

grpc::Status RunConsistency(Exchange& exchange, const Arguments& arguments) {
  const std::string file = arguments.Required("FILE");
  std::ifstream in(arguments.Required("RECEIPT"), std::ios::binary);
  std::ostringstream receipt;
  receipt << in.rdbuf();
  if (!in) throw std::runtime_error("cannot read " + arguments.name);
  std::string text;
  grpc::Status status = exchange.GetConsistencyProof(receipt.str(), &text);
  if (status.ok()) ReplaceFile(file, text);
  return status;
}

grpc::Status RunSubmit(Exchange& exchange, const Arguments& arguments) {
  std::string kind = "SUGGESTION_KIND_";
  for (const char c : arguments.Required("KIND")) kind += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  v1::SuggestionKind parsed = v1::SUGGESTION_KIND_UNSPECIFIED;
  if (!v1::SuggestionKind_Parse(kind, &parsed)) throw UsageError("KIND must be one of facility, port, observation-response, correction");
  v1::Suggestion suggestion;
  suggestion.set_kind(parsed);
  suggestion.set_record(arguments.Option("--record"));
  suggestion.set_subject(arguments.Option("--subject"));
  suggestion.set_text(arguments.Required("--text"));
  const std::string request_id = arguments.Option("--request-id");
  return PrintOne<v1::Suggestion>(
      [&](auto* submitted) { return exchange.Submit(suggestion, request_id.empty() ? NewRequestId() : request_id, submitted); });
}

grpc::Status Run(Exchange& exchange, const Arguments& arguments) {
  const std::string& command = arguments.command;
  if (command == "list") return exchange.ListRecords(Print, std::stoi(arguments.Option("--page-size", "200")));
  if (command == "withdrawals") return exchange.ListWithdrawals(Print);
  if (command == "suggestions") return exchange.ListSuggestions(Print);
  if (command == "watch") return RunWatch(exchange, arguments);
  if (command == "get") {
    return PrintOne<v1::ReleasedRecord>([&](auto* record) { return exchange.GetRecord(arguments.Required("NAME"), record); });
  }
  if (command == "acknowledge") {
    return PrintOne<v1::Withdrawal>([&](auto* withdrawal) {
      return exchange.Acknowledge(arguments.Required("NAME"), arguments.Option("--remark"), NewRequestId(), withdrawal);
    });
  }
  if (command == "submit") return RunSubmit(exchange, arguments);
  if (command == "suggestion") {
    return PrintOne<v1::Suggestion>([&](auto* suggestion) { return exchange.GetSuggestion(arguments.Required("NAME"), suggestion); });
  }
  if (command == "ask") {
    v1::Question question;
    question.set_subject(arguments.Required("--subject"));
    question.set_text(arguments.Required("--text"));
    return PrintOne<v1::Question>([&](auto* asked) { return exchange.Ask(question, NewRequestId(), asked); });
  }
  if (command == "question") {
    return PrintOne<v1::Question>([&](auto* question) { return exchange.GetQuestion(arguments.Required("NAME"), question); });
  }
  if (command == "receipts") return exchange.ListReceipts(Print, arguments.Option("--record"));
  if (command == "receipt") return RunReceipt(exchange, arguments);
  if (command == "consistency") return RunConsistency(exchange, arguments);
  throw UsageError("no command " + command);
}

}  // namespace

int main(int argc, char** argv) {
  for (const int number : {SIGINT, SIGTERM}) signal(number, [](int) { _exit(0); });
  try {
    if (argc == 2 && std::string(argv[1]) == "--help") {
      std::cout << kUsage;
      return 0;
    }
    const Arguments arguments = Parse(argc, argv);
    Exchange exchange(fairlead_partner::ReadConfig(arguments.Required("--config")));
    const grpc::Status status = Run(exchange, arguments);
    if (status.ok()) return 0;
    std::cerr << fairlead_partner::Describe(status) << '\n';
    return 1;
  } catch (const UsageError& error) {
    std::cerr << error.what() << '\n';
    return 2;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
