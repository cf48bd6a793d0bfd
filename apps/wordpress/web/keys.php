<?php
// Prints the keys that sign WordPress's cookies, new ones at every run.
$names = ['AUTH_KEY', 'SECURE_AUTH_KEY', 'LOGGED_IN_KEY', 'NONCE_KEY', 'AUTH_SALT', 'SECURE_AUTH_SALT'];
echo "<?php\n";
foreach ([...$names, 'LOGGED_IN_SALT', 'NONCE_SALT'] as $name) {
    printf("define('%s', '%s');\n", $name, bin2hex(random_bytes(32)));
}
