// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

// The one line of stderr that is overprinted on a terminal. A log message erases it first, so the two never
// mix.
namespace prune2to4 {

// Whether stderr is a terminal that can erase a line.
bool stderr_is_terminal();

// Draws `text` over the last status line, cut to the terminal's width. Throws nothing.
void draw_status_line(const std::string& text);
void erase_status_line();

}  // namespace prune2to4
