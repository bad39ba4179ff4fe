// SPDX-License-Identifier: MIT
#include "distro/agent_service.hpp"

namespace alephc {

std::vector<ServiceFile> agent_of_systemd() {
  return {{.path = "etc/systemd/system/aleph-agent.service",
           .content =
               "[Unit]\nDescription=Agent of the aleph.im node\nDefaultDependencies=no\n"
               "After=local-fs.target systemd-tmpfiles-setup.service\n\n"
               "[Service]\nExecStart=/usr/lib/aleph/aleph-init agent\nRestart=on-failure\nKillMode=process\n"
               "StandardError=journal+console\n\n[Install]\nWantedBy=basic.target\n"},
          {.path = "etc/systemd/system/basic.target.wants/aleph-agent.service",
           .mode = 0777,
           .link_target = "/etc/systemd/system/aleph-agent.service"}};
}

std::vector<ServiceFile> agent_of_openrc() {
  return {
      {.path = "etc/init.d/aleph-agent",
       .content =
           "#!/sbin/openrc-run\ndescription=\"Agent of the aleph.im node\"\n"
           "# Without start-stop-daemon, which Debian and Alpine have in two kinds; started again when it "
           "ends.\n"
           "start() {\n  ebegin \"Starting the agent\"\n"
           "  (while :; do /usr/lib/aleph/aleph-init agent; sleep 1; done) </dev/null >/dev/console 2>&1 &\n"
           "  echo $! >/run/aleph-agent.pid\n  eend 0\n}\n"
           "stop() {\n  ebegin \"Stopping the agent\"\n  kill \"$(cat /run/aleph-agent.pid)\"\n  eend 0\n}\n",
       .mode = 0755},
      {.path = "etc/runlevels/default/aleph-agent", .mode = 0777, .link_target = "/etc/init.d/aleph-agent"}};
}

}  // namespace alephc
