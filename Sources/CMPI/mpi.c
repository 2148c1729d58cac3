#include "CMPI.h"

#ifdef QMOE_MPI
#include <mpi.h>

_Static_assert(sizeof(size_t) == sizeof(unsigned long long), "sizes are sent as unsigned long long");

// MPI counts in int.
static const size_t piece = (size_t)1 << 30;

void qmoe_mpi_start(int *rank, int *count) {
  int provided = 0;
  MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &provided);
  MPI_Comm_rank(MPI_COMM_WORLD, rank);
  MPI_Comm_size(MPI_COMM_WORLD, count);
}

void qmoe_mpi_finish(void) { MPI_Finalize(); }

void qmoe_mpi_abort(int code) { MPI_Abort(MPI_COMM_WORLD, code); }

void qmoe_mpi_broadcast(void *bytes, size_t count, int root) {
  for (size_t done = 0; done < count; done += piece) {
    size_t rest = count - done;
    MPI_Bcast((char *)bytes + done, (int)(rest < piece ? rest : piece), MPI_BYTE, root, MPI_COMM_WORLD);
  }
}

void qmoe_mpi_send(const void *bytes, size_t count, int to) {
  for (size_t done = 0; done < count; done += piece) {
    size_t rest = count - done;
    MPI_Send((const char *)bytes + done, (int)(rest < piece ? rest : piece), MPI_BYTE, to, 0, MPI_COMM_WORLD);
  }
}

void qmoe_mpi_receive(void *bytes, size_t count, int from) {
  for (size_t done = 0; done < count; done += piece) {
    size_t rest = count - done;
    MPI_Recv((char *)bytes + done, (int)(rest < piece ? rest : piece), MPI_BYTE, from, 0, MPI_COMM_WORLD,
             MPI_STATUS_IGNORE);
  }
}

void qmoe_mpi_gather_sizes(size_t own, size_t *all) {
  unsigned long long number = own;
  MPI_Allgather(&number, 1, MPI_UNSIGNED_LONG_LONG, all, 1, MPI_UNSIGNED_LONG_LONG, MPI_COMM_WORLD);
}

void qmoe_mpi_swap(
    const float *sent, const int *sent_counts, const int *sent_offsets, float *received,
    const int *received_counts, const int *received_offsets) {
  MPI_Alltoallv(sent, sent_counts, sent_offsets, MPI_FLOAT, received, received_counts, received_offsets,
                MPI_FLOAT, MPI_COMM_WORLD);
}

void qmoe_mpi_gather(float *numbers, const int *counts, const int *offsets) {
  MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, numbers, counts, offsets, MPI_FLOAT, MPI_COMM_WORLD);
}
#endif
