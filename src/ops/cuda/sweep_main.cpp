// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "ops/sweep.h"

int main() { prune2to4::serve_product_sweeps(STDIN_FILENO); }
