// The kernels' contracts: what each function computes, the shape of every pointer, what may be read.
// One file per subject and instruction set stands behind each header.
#pragma once
#include "attention.h"
#include "convert.h"
#include "dense.h"
#include "elementwise.h"
#include "grid.h"
#include "kernels.h"
#include "pause.h"
#include "rounding.h"
#include "ternary.h"
