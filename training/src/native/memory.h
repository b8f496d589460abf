// Large tensors in the machine's own memory, kept for the next time.
#pragma once

namespace sleeve {

// From now on: blocks that are freed are used again, and lie on large pages where the system has some. Calling it again
// changes nothing.
void keep_memory();

} // namespace sleeve
