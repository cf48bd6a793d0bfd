<?php
// Has Coppermine's own installer make tables, configuration and the first account, "home", with a password of its own.
// The file "unfinished" says that what the database holds is of a first start which did not come to its end.
umask(0077);
$folder = '/srv/coppermine';
$end = function (string $why): never {
    fwrite(STDERR, "Coppermine could not be configured: $why\n");
    exit(1);
};

mysqli_report(MYSQLI_REPORT_OFF);
for ($left = 120; !($database = @mysqli_connect('localhost', 'www-data', '')); $left--) {
    $left > 0 or $end('the database does not answer, ' . mysqli_connect_error());
    sleep(1);
}
if (file_exists("$folder/unfinished")) {
    $database->query('DROP DATABASE IF EXISTS coppermine')
        and $database->query('CREATE DATABASE coppermine CHARACTER SET utf8mb4')
        or $end($database->error);
} elseif (!($tables = $database->query('SHOW TABLES FROM coppermine')) || $tables->num_rows > 0) {
    $end('the database is one of an earlier Coppermine, whose data/config.inc.php is missing. Put it back.');
}
touch("$folder/unfinished");
@unlink("$folder/config.inc.php");  // an empty one, which was just about to be written

// What the installer would have asked for on its first seven pages, so that it begins with the eighth: the tables.
$account = ['admin_username' => 'home', 'admin_email' => 'home@home.example', 'admin_password' => bin2hex(random_bytes(8))];
$answers = [
    'step' => 8, 'lang' => 'english', 'thumb_method' => 'gd2', 'db_type' => 'mysqli', 'db_host' => 'localhost',
    'db_user' => 'www-data', 'db_password' => '', 'db_name' => 'coppermine', 'db_prefix' => 'cpg_',
];
file_put_contents("$folder/config.tmp.php", '<?php $install_config = ' . var_export($answers, true) . ';');
chdir('/usr/share/coppermine');
$_SERVER['PHP_SELF'] = '/install.php';
$_SERVER['REQUEST_METHOD'] = 'GET';
ob_start();
require '/opt/coppermine/install.php';
foreach ($account as $name => $value) {
    setTmpConfig($name, $value);
}
$error === '' and createAdmin();
// The gallery is opened by port and by host name, so it takes its own address from the browser. And as its program cannot
// be written to, the installer would have new files written by everybody.
$set = ['ecards_more_pic_target' => '/', 'default_dir_mode' => '0755', 'default_file_mode' => '0644'];
foreach ($set as $name => $value) {
    $error === '' and cpg_db_query("REPLACE INTO cpg_config VALUES ('$name', '$value')");
}
ob_end_clean();
$error === '' or $end(strip_tags($error));
file_put_contents("$folder/password", "{$account['admin_password']}\n");
writeConfig();
$error === '' or $end(strip_tags($error));
