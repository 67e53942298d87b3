// SPDX-License-Identifier: Apache-2.0
#pragma once

// What libprune2to4_ops.so exports to C++; all else in it is hidden.
#define PRUNE2TO4_API __attribute__((visibility("default")))
