<?php
// A stand-in for the wizard: the answers that it wants, tables, the first agent, and the configuration at the end.
class Installer
{
    private array $errors = [];

    public function __construct(private string $config)
    {
    }

    public function getErrors(): array
    {
        return $this->errors;
    }

    public function install(array $vars): bool
    {
        $wanted = ['name', 'email', 'fname', 'lname', 'admin_email', 'username', 'passwd', 'prefix', 'dbpass'];
        foreach ($wanted as $name) {
            if (empty($vars[$name])) {
                $this->errors[$name] = "$name required";
            }
        }
        if ($vars['passwd'] !== $vars['passwd2'] || $vars['email'] === $vars['admin_email']) {
            $this->errors['err'] = 'missing or invalid';
        }
        if ($this->errors) {
            return false;
        }
        $database = mysqli_connect($vars['dbhost'], $vars['dbuser'], $vars['dbpass'], $vars['dbname']);
        $database->query("CREATE TABLE {$vars['prefix']}staff (username VARCHAR(32), passwd VARCHAR(255))");
        $database->query("CREATE TABLE {$vars['prefix']}config (name VARCHAR(64), url VARCHAR(64))");
        $hash = password_hash($vars['passwd'], PASSWORD_DEFAULT);
        $database->execute_query("INSERT INTO {$vars['prefix']}staff VALUES (?, ?)", [$vars['username'], $hash]);
        $database->execute_query("INSERT INTO {$vars['prefix']}config VALUES (?, ?)", [$vars['name'], URL]);
        file_put_contents($this->config, strtr(file_get_contents($this->config), [
            "define('OSTINSTALLED',FALSE);" => "define('OSTINSTALLED',TRUE);",
            '%CONFIG-DBHOST' => $vars['dbhost'],
            '%CONFIG-DBNAME' => $vars['dbname'],
            '%CONFIG-DBUSER' => $vars['dbuser'],
            '%CONFIG-DBPASS' => $vars['dbpass'],
            '%CONFIG-PREFIX' => $vars['prefix'],
        ]));
        return true;
    }
}
