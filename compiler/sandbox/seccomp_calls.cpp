// SPDX-License-Identifier: MIT
//
// The calls that a step may make. The list started from what Docker lets through by default (its documentation of
// seccomp profiles, 2024), without what no build needs: tracing, memory policies, secret memory, file notifications for
// a whole mount, local descriptor tables, io_uring. What is in none of the lists is answered with ENOSYS, as are calls
// that are newer than this file.
#include <string_view>
#include <vector>

#include "sandbox/seccomp.hpp"

namespace alephc {
namespace {

constexpr std::string_view kAllowed =
    // files
    "access chdir chmod chown chown32 chroot close close_range copy_file_range creat dup dup2 dup3 faccessat "
    "faccessat2 fadvise64 fadvise64_64 arm_fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown "
    "fchown32 fchownat fcntl fcntl64 fgetxattr flistxattr flock fremovexattr fsetxattr fstat fstat64 fstatat64 "
    "fstatfs fstatfs64 ftruncate ftruncate64 futimesat getcwd getdents getdents64 getxattr getxattrat "
    "inotify_add_watch inotify_init inotify_init1 inotify_rm_watch lchown lchown32 lgetxattr link linkat "
    "listxattr listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64 mkdir mkdirat mknod "
    "mknodat name_to_handle_at newfstatat open openat openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 "
    "read readahead readdir readlink readlinkat readv removexattr removexattrat rename renameat renameat2 rmdir "
    "sendfile sendfile64 setxattr setxattrat splice stat stat64 statfs statfs64 statx symlink symlinkat tee "
    "truncate truncate64 umask unlink unlinkat utime utimensat utimensat_time64 utimes vmsplice write writev "
    // waiting
    "alarm clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep "
    "clock_nanosleep_time64 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 "
    "epoll_wait epoll_wait_old eventfd eventfd2 getitimer gettimeofday io_cancel io_destroy io_getevents "
    "io_pgetevents io_pgetevents_time64 io_setup io_submit nanosleep _newselect pause pipe pipe2 poll ppoll "
    "ppoll_time64 pselect6 pselect6_time64 select setitimer signalfd signalfd4 time timer_create timer_delete "
    "timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create "
    "timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times "
    // memory
    "brk cachestat get_robust_list madvise map_shadow_stack membarrier memfd_create mincore mlock mlock2 "
    "mlockall mmap mmap2 mprotect mremap mseal munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect "
    "set_robust_list shmat shmctl shmdt shmget "
    // processes
    "arch_prctl breakpoint cacheflush capget capset execve execveat exit exit_group fork futex futex_requeue "
    "futex_time64 futex_wait futex_waitv futex_wake get_thread_area get_tls getcpu getegid getegid32 geteuid "
    "geteuid32 getgid getgid32 getgroups getgroups32 getpgid getpgrp getpid getppid getpriority getrandom "
    "getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid gettid getuid getuid32 ioprio_get "
    "ioprio_set kill landlock_add_rule landlock_create_ruleset landlock_restrict_self nice pidfd_open "
    "pidfd_send_signal prctl prlimit64 process_mrelease restart_syscall rseq rt_sigaction rt_sigpending "
    "rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 "
    "rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr "
    "sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity "
    "sched_setattr sched_setparam sched_setscheduler sched_yield seccomp set_thread_area set_tid_address "
    "set_tls setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setpgid setpriority "
    "setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit setsid "
    "setuid setuid32 sgetmask sigaction sigaltstack signal sigpending sigprocmask sigreturn sigsuspend ssetmask "
    "sysinfo tgkill tkill ugetrlimit uname uretprobe vfork wait4 waitid waitpid "
    // messages; socketcall is missing, because its arguments are out of a filter's sight
    "accept accept4 bind connect getpeername getsockname getsockopt ipc listen mq_getsetattr mq_notify mq_open "
    "mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink msgctl msgget msgrcv "
    "msgsnd recv recvfrom recvmmsg recvmmsg_time64 recvmsg semctl semget semop semtimedop semtimedop_time64 "
    "send sendmmsg sendmsg sendto setsockopt shutdown";

constexpr std::string_view kDenied =
    "acct add_key adjtimex bpf clock_adjtime clock_adjtime64 clock_settime clock_settime64 delete_module "
    "fanotify_init fanotify_mark finit_module fsconfig fsmount fsopen fspick init_module ioperm iopl kcmp "
    "kexec_file_load kexec_load keyctl lookup_dcookie mount mount_setattr move_mount nfsservctl "
    "open_by_handle_at open_tree perf_event_open pidfd_getfd pivot_root process_vm_readv process_vm_writev "
    "ptrace quotactl quotactl_fd reboot request_key setdomainname sethostname setns settimeofday stime swapoff "
    "swapon syslog umount umount2 uselib userfaultfd vhangup vm86 vm86old";

// A step's tree is thrown away or hashed, never recovered.
constexpr std::string_view kSucceeds =
    "sync fsync fdatasync syncfs sync_file_range sync_file_range2 arm_sync_file_range msync";

void add(std::vector<NamedCall>& calls, std::string_view names, CallRule rule) {
  while (!names.empty()) {
    const std::size_t end = names.find(' ');
    calls.push_back({names.substr(0, end), rule});
    names = end == std::string_view::npos ? std::string_view() : names.substr(end + 1);
  }
}

}  // namespace

const std::vector<NamedCall>& named_calls() {
  static const std::vector<NamedCall> kCalls = [] {
    std::vector<NamedCall> calls{{"clone", CallRule::clone},
                                 {"unshare", CallRule::clone},
                                 {"socket", CallRule::socket},
                                 {"socketpair", CallRule::socketpair},
                                 {"ioctl", CallRule::ioctl},
                                 {"personality", CallRule::personality}};
    add(calls, kAllowed, CallRule::allowed);
    add(calls, kDenied, CallRule::denied);
    add(calls, kSucceeds, CallRule::succeeds);
    return calls;
  }();
  return kCalls;
}

}  // namespace alephc
