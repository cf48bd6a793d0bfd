import lantern_beta
print(lantern_beta.VERSION)
