// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>

#include "prune2to4/measure.h"

namespace prune2to4 {

// A contest on this device, without contestants yet.
Contest contest_on(at::Device device);

// `options` with repeats that are long enough there: on a GPU so many calls that the time to queue one is
// hidden behind those before it.
MeasureOptions fitted(MeasureOptions options, at::Device device);

}  // namespace prune2to4
