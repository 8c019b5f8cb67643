@python "%~dp0kubectl" %*
