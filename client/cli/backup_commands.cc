#include "client/cli/backup_commands.h"

#include <fmt/format.h>

#include "fairlead/v1/node_service.pb.h"

namespace fairlead::cli {
namespace {

namespace v1 = fairlead::v1;

constexpr char kCollection[] = "backups/";

std::string FullName(const std::string& name) { return name.starts_with(kCollection) ? name : kCollection + name; }

Table TableOf(const google::protobuf::RepeatedPtrField<v1::Backup>& backups) {
  Table table{{"BACKUP", "TIME", "JOURNAL", "FILES", "BYTES"}, {}};
  for (const v1::Backup& backup : backups) {
    table.rows.push_back({backup.name().substr(backup.name().find('/') + 1), TimeText(backup.create_time()),
                          std::to_string(backup.journal_size()), std::to_string(backup.files()), std::to_string(backup.bytes())});
  }
  return table;
}

void PrintOne(Session& session, const v1::Backup& backup) {
  session.Print(ToJson(backup), [&] {
    google::protobuf::RepeatedPtrField<v1::Backup> one;
    *one.Add() = backup;
    TableOf(one).Print(session.out(), session.environment().columns);
  });
}

absl::Status RunBackupCreate(Session& session, const std::string& request_id) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  v1::CreateBackupRequest request;
  request.set_request_id(request_id);
  const absl::StatusOr<v1::Backup> backup = session.Call<v1::Backup>("fairlead.v1.NodeService.CreateBackup", request);
  if (!backup.ok()) return backup.status();
  PrintOne(session, *backup);
  return absl::OkStatus();
}

absl::Status RunBackupList(Session& session) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  const auto all = session.ListAll<v1::ListBackupsResponse>("fairlead.v1.NodeService.ListBackups", v1::ListBackupsRequest(), 0);
  if (!all.ok()) return all.status();
  session.Print(ToJson(*all), [&] { TableOf(all->backups()).Print(session.out(), session.environment().columns); });
  return absl::OkStatus();
}

// `name` with or without its collection.
absl::Status RunBackupVerify(Session& session, const std::string& name) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  v1::VerifyBackupRequest request;
  request.set_name(FullName(name));
  const absl::StatusOr<v1::VerifyBackupResponse> verified =
      session.Call<v1::VerifyBackupResponse>("fairlead.v1.NodeService.VerifyBackup", request);
  if (!verified.ok()) return verified.status();
  PrintOne(session, verified->backup());
  return absl::OkStatus();
}

absl::Status RunBackupDelete(Session& session, const std::string& name) {
  if (absl::Status status = session.Open(); !status.ok()) return status;
  v1::DeleteBackupRequest request;
  request.set_name(FullName(name));
  const absl::StatusOr<v1::DeleteBackupResponse> deleted =
      session.Call<v1::DeleteBackupResponse>("fairlead.v1.NodeService.DeleteBackup", request);
  if (!deleted.ok()) return deleted.status();
  session.Print(ToJson(*deleted), [&] { session.out() << fmt::format("{} deleted\n", request.name()); });
  return absl::OkStatus();
}

}  // namespace

void AddBackupCommands(Commands& commands) {
  const auto name = std::make_shared<std::string>();
  const auto request_id = std::make_shared<std::string>();
  CLI::App* backup = commands.AddGroup("backup", "Backups of the node's store, kept at the node.");
  CLI::App* create = commands.Add(backup, "create", "Makes a backup while the node runs, and reads it back.", RunBackupCreate, request_id);
  create->add_option("--request-id", *request_id, "A UUID version 7: the same id makes one backup. A new one by default.")
      ->type_name("UUID");
  commands.Add(backup, "list", "The backups, oldest first.", RunBackupList);
  const auto add_name = [&](CLI::App* command) { command->add_option("NAME", *name, "The backup.")->required()->type_name(""); };
  add_name(commands.Add(backup, "verify", "Reads all of a backup again.", RunBackupVerify, name));
  add_name(commands.Add(backup, "delete", "Deletes a backup.", RunBackupDelete, name));
}

}  // namespace fairlead::cli
