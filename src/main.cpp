// SPDX-License-Identifier: Apache-2.0
#include <exception>
#include <iostream>
#include <new>

#include "prune2to4/commands.h"
#include "prune2to4/error.h"
#include "prune2to4/interrupt.h"
#include "prune2to4/log.h"

int main(int argc, char** argv) {
  using prune2to4::ExitStatus;
  prune2to4::install_signal_handlers();
  try {
    const int status = prune2to4::run_command_line(argc, argv, std::cout);
    std::cout.flush();
    if (!std::cout) throw prune2to4::Error(ExitStatus::kFileSystem, "write", "stdout cannot be written");
    return status;
  } catch (const prune2to4::Interrupted& interrupted) {
    prune2to4::log::error(interrupted.what());
    return interrupted.exit_status();
  } catch (const prune2to4::Error& error) {
    prune2to4::log::error(error.what());
    prune2to4::report_to_launcher(error.what());
    return static_cast<int>(error.status());
  } catch (const std::bad_alloc&) {
    prune2to4::log::error("[memory] out of memory; the model needs about 1.5 times its file's size");
  } catch (const std::exception& error) {
    prune2to4::log::error(std::string("[internal] ") + error.what());
  }
  return static_cast<int>(ExitStatus::kModel);
}
