// A throw-away cluster authority with certificates, shared by the tests of
// this folder and of tests/tunnel.
#pragma once

#include <filesystem>
#include <string>

#include "actors/tunnel/certificates.hpp"
#include "actors/tunnel/identity.hpp"
#include "memory/temporary_directory.test.hpp"

namespace neuroplex::tunnel::testing {

using memory::testing::temporary_directory;

/// An authority and, on demand, certificates of it.
class test_authority {
public:
  test_authority() {
    authority_options options;
    options.directory = directory_.path();
    auto files = create_authority(options);
    NEUROPLEX_ENSURE(static_cast<bool>(files));
    files_ = *files;
  }

  [[nodiscard]] const std::filesystem::path& directory() const {
    return directory_.path();
  }

  [[nodiscard]] node_certificate_options options_for(replica_id id) const {
    node_certificate_options options;
    options.authority_certificate_file = files_.certificate_file;
    options.authority_key_file = files_.key_file;
    options.directory = directory_.path();
    options.id = id;
    options.force = true;
    return options;
  }

  credentials issue(const node_certificate_options& options) {
    auto files = issue_node_certificate(options);
    NEUROPLEX_ENSURE(static_cast<bool>(files));
    return {files_.certificate_file, files->certificate_file, files->key_file};
  }

  credentials issue(replica_id id) {
    return issue(options_for(id));
  }

private:
  temporary_directory directory_;
  certificate_files files_;
};

} // namespace neuroplex::tunnel::testing
