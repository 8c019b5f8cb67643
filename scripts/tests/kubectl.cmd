@python "%~dp0kubectl" %*
