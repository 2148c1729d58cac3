// zlib as installed by the system: used for its CRC-32 only.
#pragma once
#include <zlib.h>
