// SPDX-License-Identifier: MIT
//
// The table is made by hand, from installing some hundred servers twice and comparing (Debian 12 and 13). It cannot be
// complete: what else differs between two builds is found by `build --audit`.
#include "steps/shared_secrets.hpp"

#include <algorithm>
#include <array>

#include "base/glob.hpp"
#include "base/little_endian.hpp"
#include "base/text.hpp"

namespace alephc {
namespace {

constexpr std::array kSecrets{
    SharedSecret{"ssl-cert", "the machine's self-signed certificate and its key",
                 "/etc/ssl/private/ssl-cert-snakeoil.key /etc/ssl/certs/ssl-cert-snakeoil.pem",
                 "make-ssl-cert generate-default-snakeoil --force-overwrite"},
    SharedSecret{"bind9", "the key that controls the name server", "/etc/bind/rndc.key",
                 "rndc-confgen -a -c /etc/bind/rndc.key && chown bind:bind /etc/bind/rndc.key"},
    SharedSecret{"rabbitmq-server", "the cookie with which anyone runs code in the broker",
                 "/var/lib/rabbitmq/.erlang.cookie", ""},
    SharedSecret{"varnish", "the secret of the cache's management port", "/etc/varnish/secret",
                 "(umask 077 && head -c 32 /dev/urandom | base64 > /etc/varnish/secret)"},
    SharedSecret{"xrdp", "the key of the remote desktop", "/etc/xrdp/rsakeys.ini",
                 "xrdp-keygen xrdp /etc/xrdp/rsakeys.ini && chown root:xrdp /etc/xrdp/rsakeys.ini"},
    SharedSecret{"nsd", "the keys and certificates that control the name server",
                 "/etc/nsd/nsd_server.key /etc/nsd/nsd_server.pem /etc/nsd/nsd_control.key /etc/nsd/nsd_control.pem",
                 "nsd-control-setup"},
    SharedSecret{"unbound", "the keys and certificates that control the resolver",
                 "/etc/unbound/unbound_server.key /etc/unbound/unbound_server.pem /etc/unbound/unbound_control.key "
                 "/etc/unbound/unbound_control.pem",
                 "unbound-control-setup"},
    SharedSecret{"ejabberd", "the server's certificate with its key", "/etc/ejabberd/ejabberd.pem",
                 "dpkg-reconfigure ejabberd"},
    SharedSecret{"slapd", "the directory's database, with the administrator's password",
                 "/var/lib/ldap/*.mdb /etc/ldap/slapd.d/*", "dpkg-reconfigure slapd"},
    SharedSecret{"phpmyadmin", "the secret of cookies and the password of the database",
                 "/var/lib/phpmyadmin/blowfish_secret.inc.php /etc/phpmyadmin/config-db.php "
                 "/etc/dbconfig-common/phpmyadmin.conf /var/lib/ucf/cache/:etc:phpmyadmin:config-db.php "
                 "/var/lib/ucf/cache/:etc:dbconfig-common:phpmyadmin.conf",
                 "dpkg-reconfigure phpmyadmin"},
    SharedSecret{"roundcube", "the key that encrypts users' passwords and the password of the database",
                 "/etc/roundcube/config.inc.php /etc/roundcube/debian-db.php /etc/dbconfig-common/roundcube.conf "
                 "/var/lib/ucf/cache/:etc:roundcube:debian-db.php /var/lib/ucf/cache/:etc:roundcube:config.inc.php "
                 "/var/lib/ucf/cache/:etc:dbconfig-common:roundcube.conf",
                 "dpkg-reconfigure roundcube-core"},
    SharedSecret{"open-iscsi", "the name by which storage knows the machine", "/etc/iscsi/initiatorname.iscsi",
                 "echo \"InitiatorName=$(iscsi-iname)\" > /etc/iscsi/initiatorname.iscsi"},
    SharedSecret{"nvme-cli", "the names by which storage knows the machine", "/etc/nvme/hostid /etc/nvme/hostnqn",
                 "nvme gen-hostnqn > /etc/nvme/hostnqn && cat /proc/sys/kernel/random/uuid > /etc/nvme/hostid"},
    SharedSecret{"dropbear", "the keys by which clients know the machine", "/etc/dropbear/dropbear_*_host_key",
                 "for t in rsa ecdsa ed25519; do dropbearkey -t $t -f /etc/dropbear/dropbear_${t}_host_key; done"},
    SharedSecret{"simplesamlphp", "the administrator's password and the salt of the login service",
                 "/var/lib/simplesamlphp/secrets.inc.php", "dpkg-reconfigure simplesamlphp"},
    SharedSecret{"backuppc", "the administrator's password", "/etc/backuppc/htpasswd", "dpkg-reconfigure backuppc"},
    SharedSecret{"etckeeper", "a repository with every file of /etc, secrets and times too",
                 "/etc/.git/* /etc/.hg/* /etc/.bzr/*", "etckeeper init"},
    SharedSecret{"popularity-contest", "the name under which the machine reports its packages",
                 "/etc/popularity-contest.conf /etc/cron.d/popularity-contest",
                 "dpkg-reconfigure popularity-contest"},
    SharedSecret{"tor", "the keys of a relay", "/var/lib/tor/keys/* /var/lib/tor/*/hs_ed25519_secret_key", ""},
    SharedSecret{"exim4", "the mail server's certificate and its key", "/etc/exim4/exim.key /etc/exim4/exim.crt",
                 "/usr/share/doc/exim4-base/examples/exim-gencert --force"},
    SharedSecret{"samba", "the machine's account and the users' passwords", "/var/lib/samba/private/*.tdb", ""},
    SharedSecret{"munge", "the key with which nodes of a cluster trust each other", "/etc/munge/munge.key",
                 "mungekey --create --force"},
    SharedSecret{"bacula", "the passwords of the backup's daemons", "/etc/bacula/common_default_passwords",
                 "dpkg-reconfigure bacula-common"},
    SharedSecret{"matrix-synapse", "the key that signs the server's messages",
                 "/etc/matrix-synapse/homeserver.signing.key", ""},
    SharedSecret{"cryptsetup", "a key of an encrypted volume", "/etc/luks/*.key /etc/cryptsetup-keys.d/*", ""},
    SharedSecret{"gnupg", "a secret key", "*/private-keys-v1.d/*.key */secring.gpg */openpgp-revocs.d/*.rev",
                 "gpg --batch --generate-key PARAMETERS"},
};

/// A row's patterns, matched against paths with their leading slash.
struct SecretGlobs {
  explicit SecretGlobs(const SharedSecret& row) : secret(&row) {
    for (std::string& glob : split(row.paths, ' ')) globs.emplace_back(std::move(glob));
  }
  [[nodiscard]] bool match(const std::string& path) const {
    return std::any_of(globs.begin(), globs.end(), [&](const Glob& glob) { return glob.matches(path); });
  }

  const SharedSecret* secret;
  std::vector<Glob> globs{};
};

bool has_prefix(std::string_view bytes, std::string_view magic) {
  return bytes.starts_with(magic);
}

/// Anywhere in it: a certificate, or an EC key's parameters, may stand before the key.
bool is_pem(std::string_view text) {
  for (std::size_t at = text.find("-----BEGIN "); at != std::string_view::npos;
       at = text.find("-----BEGIN ", at + 1))
    if (text.substr(at, text.find('\n', at) - at).find("PRIVATE KEY") != std::string_view::npos) return true;
  return false;
}

/// Contents of a DER value of a tag; empty if there is none.
std::string_view der(std::string_view bytes, char tag) {
  if (bytes.size() < 2 || bytes[0] != tag) return {};
  const auto length = static_cast<std::uint8_t>(bytes[1]);
  if (length < 0x80) return bytes.substr(2);
  const std::size_t digits = length & 0x7fU;
  return digits >= 1 && digits <= 4 && bytes.size() > 2 + digits ? bytes.substr(2 + digits) : std::string_view();
}

/// PKCS#1 and PKCS#8 begin with version 0, SEC 1 with version 1 and the key, PKCS#12 with version 3 and a type.
std::string_view der_kind(std::string_view bytes) {
  using namespace std::string_view_literals;
  const std::string_view body = der(bytes, '\x30');
  if (has_prefix(body, "\x02\x01\x00\x02\x82"sv) || has_prefix(body, "\x02\x01\x00\x02\x81"sv))
    return "an RSA key in DER";
  if (has_prefix(body, "\x02\x01\x00\x30"sv)) {
    const std::string_view algorithm = der(body.substr(3), '\x30');
    if (has_prefix(algorithm, "\x06")) return "a PKCS#8 key in DER";
  }
  if (has_prefix(body, "\x02\x01\x01\x04"sv)) return "an elliptic-curve key in DER";
  if (has_prefix(body, "\x02\x01\x03\x30"sv) &&
      body.substr(0, 40).find("\x2a\x86\x48\x86\xf7\x0d\x01\x07"sv) != std::string_view::npos)
    return "a PKCS#12 key store";
  return {};
}

/// Trusted certificates alone are none: the first entry is looked at, of whose kind the others are.
bool is_java_key_store(std::string_view bytes) {
  using namespace std::string_view_literals;
  if (!has_prefix(bytes, "\xfe\xed\xfe\xed"sv) && !has_prefix(bytes, "\xce\xce\xce\xce"sv)) return false;
  return bytes.size() > 16 && (bytes.substr(12, 4) == "\0\0\0\1"sv || bytes.substr(12, 4) == "\0\0\0\3"sv);
}

/// The name of the algorithm after its length, as in SSH's protocol, then the numbers.
bool is_dropbear_key(std::string_view bytes) {
  using namespace std::string_view_literals;
  return has_prefix(bytes, "\0\0\0\x07ssh-rsa"sv) || has_prefix(bytes, "\0\0\0\x07ssh-dss"sv) ||
         has_prefix(bytes, "\0\0\0\x0bssh-ed25519"sv) || has_prefix(bytes, "\0\0\0\x13""ecdsa-sha2-"sv);
}

}  // namespace

std::span<const SharedSecret> shared_secrets() {
  return kSecrets;
}

std::vector<FoundSecret> find_shared_secrets(const Tree& tree) {
  const std::vector<SecretGlobs> rows(kSecrets.begin(), kSecrets.end());
  std::vector<FoundSecret> found;
  for (const SecretGlobs& row : rows) found.push_back({.secret = row.secret});
  for (const Entry& entry : tree.entries()) {
    if (entry.type != EntryType::regular || entry.size == 0) continue;
    const std::string path = "/" + entry.path;
    for (std::size_t i = 0; i < rows.size(); ++i)
      if (rows[i].match(path)) found[i].paths.push_back(entry.path);
  }
  for (const Entry& entry : tree.entries()) {
    if (entry.type != EntryType::symlink || !entry.path.starts_with("etc/ssl/certs/")) continue;
    const std::string target = "/" + join_path(parent_path(entry.path), base_name(entry.link_target));
    for (std::size_t i = 0; i < rows.size(); ++i)
      if (!found[i].paths.empty() && rows[i].match(target)) found[i].paths.push_back(entry.path);
  }
  std::erase_if(found, [](const FoundSecret& each) { return each.paths.empty(); });
  return found;
}

std::string_view private_key_kind(std::string_view bytes) {
  using namespace std::string_view_literals;
  if (is_pem(bytes)) return "a private key";
  if (is_dropbear_key(bytes)) return "a private key of dropbear";
  if (has_prefix(bytes, "LUKS\xba\xbe"sv)) return "an encrypted volume with its key slots";
  if (is_java_key_store(bytes)) return "a Java key store with a private key";
  if (bytes.find("-----BEGIN OpenVPN Static key") != std::string_view::npos) return "a static key of OpenVPN";
  if (has_prefix(bytes, "(11:private-key") || has_prefix(bytes, "(21:protected-private-key") ||
      bytes.substr(0, 4096).find("\nKey: (private-key") != std::string_view::npos ||
      bytes.substr(0, 4096).find("\nKey: (protected-private-key") != std::string_view::npos ||
      has_prefix(bytes, "Key: (private-key") || has_prefix(bytes, "Key: (protected-private-key"))
    return "a secret key of GnuPG";
  return der_kind(bytes);
}

}  // namespace alephc
