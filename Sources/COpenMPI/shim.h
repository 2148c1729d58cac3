// Open MPI as installed by the system. Swift cannot import its handles, which are macros: CMPI wraps what is used.
#pragma once
#include <mpi.h>
