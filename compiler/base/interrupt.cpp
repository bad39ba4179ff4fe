// SPDX-License-Identifier: MIT
#include "base/interrupt.hpp"

#include <csignal>

#include "base/diagnostic.hpp"

namespace alephc {
namespace {

volatile std::sig_atomic_t interrupt_flag = 0;

void on_signal(int) {
  interrupt_flag = 1;
}

}  // namespace

void install_interrupt_handlers() {
  struct sigaction action {};
  action.sa_handler = on_signal;  // no SA_RESTART: a blocked read must come back
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(signal, &action, nullptr);
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &action, nullptr);
}

bool interrupted() {
  return interrupt_flag != 0;
}

void throw_if_interrupted() {
  if (interrupted()) throw Error(ErrorKind::interrupted, "interrupted");
}

}  // namespace alephc
