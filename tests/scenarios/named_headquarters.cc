// Linked into tests whose network names its headquarters, as the networks of officers do.

#include "tests/framework/test_network.h"

namespace fairlead::scenarios {

[[maybe_unused]] const bool kHeadquartersNamed = framework::TestNetwork::names_headquarters = true;

}  // namespace fairlead::scenarios
