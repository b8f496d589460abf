// Large tensors: their memory is kept and reused.
#pragma once

namespace sleeve {

// From now on, freed blocks are reused, and lie on large pages if the system has them. Calling it again changes
// nothing.
void keep_memory();

} // namespace sleeve
