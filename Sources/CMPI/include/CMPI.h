// The calls of MPI that qmoe uses, in a form that Swift can call. Without the package trait `MPI` there is none of them.
//
// All are for one thread at a time. An error of MPI's own ends all ranks, with MPI's message.
#pragma once
#include <stddef.h>

/// Makes this process one of those that `mpirun` started together.
void qmoe_mpi_start(int *rank, int *count);

/// Leaves the others, once all do.
void qmoe_mpi_finish(void);

/// Ends all ranks at once; each is sent SIGTERM.
void qmoe_mpi_abort(int code);

/// Gives all ranks the bytes that `root` has.
void qmoe_mpi_broadcast(void *bytes, size_t count, int root);

/// Sends bytes to a rank, which receives as many.
void qmoe_mpi_send(const void *bytes, size_t count, int to);
void qmoe_mpi_receive(void *bytes, size_t count, int from);

/// Gives all ranks the numbers of all, one each.
void qmoe_mpi_gather_sizes(size_t own, size_t *all);

/// Gives each rank r the `sent_counts[r]` numbers of this one for it, which stand one behind the other, and receives
/// what all have for this one. No more than INT_MAX either way.
void qmoe_mpi_swap(
    const float *sent, const int *sent_counts, const int *sent_offsets, float *received,
    const int *received_counts, const int *received_offsets);

/// Gives all ranks the numbers of all: `counts[r]` of rank r, which stand one rank's behind the other's.
/// No more than INT_MAX in all.
void qmoe_mpi_gather(float *numbers, const int *counts, const int *offsets);
