// Questions about the program that are answered from many records: the calendar and its clashes, what is overdue, visit stages, coverage,
// standings, conditions in force, eligible countries, visit priority, advice on measures, service times. Each is a method of the API; its
// flags come from the method's request.
//
// Thread safety: immutable after first use. Ownership: descriptors are the generated pool's.

#ifndef FAIRLEAD_CLIENT_CLI_PROGRAM_COMMANDS_H_
#define FAIRLEAD_CLIENT_CLI_PROGRAM_COMMANDS_H_

#include <string>
#include <vector>

#include "client/cli/commands.h"
#include "client/cli/resources.h"

namespace fairlead::cli {

struct Report {
  std::string noun;     // the resource whose command it stands under; empty at the top
  Verb verb;            // its name and method
  Resource rows;        // the type of the answer's rows, and the columns of its table
  std::string subject;  // the collection of the record that it may be asked about; empty when it takes none
};

const std::vector<Report>& Reports();

void AddProgramCommands(Commands& commands);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_CLIENT_CLI_PROGRAM_COMMANDS_H_
