<?php
require 'main.inc.php';
[$name, $url] = $database->query('SELECT name, url FROM ' . TABLE_PREFIX . 'config')->fetch_row();
echo "stand-in for osTicket: $name at $url";
