// OpenBLAS as installed by the system's package manager: BLAS through its C interface,
// LAPACK through the Fortran symbols that the same library exports.
#pragma once
#include <cblas.h>

void spotrf_(const char *uplo, const int *n, float *a, const int *lda, int *info);
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info);
void dtrtri_(const char *uplo, const char *diag, const int *n, double *a, const int *lda, int *info);
void dpotrs_(const char *uplo, const int *n, const int *count, const double *a, const int *lda, double *b,
             const int *ldb, int *info);
