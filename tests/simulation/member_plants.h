// Planted bugs of the members of a site of several machines, each at the seam of etcd or of the commit log.
//
// Thread safety: immutable. Ownership: values.

#ifndef FAIRLEAD_TESTS_SIMULATION_MEMBER_PLANTS_H_
#define FAIRLEAD_TESTS_SIMULATION_MEMBER_PLANTS_H_

#include <vector>

#include "tests/simulation/plants.h"

namespace fairlead::simulation {

std::vector<Plant> MemberPlants();

}  // namespace fairlead::simulation

#endif  // FAIRLEAD_TESTS_SIMULATION_MEMBER_PLANTS_H_
