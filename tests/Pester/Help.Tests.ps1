BeforeDiscovery {
    . $PSScriptRoot/Common.ps1
    $topics = Get-ChildItem (Join-Path $ModuleFolder 'en-US') -Filter about_*.help.txt | ForEach-Object { @{ Topic = $_.Name -replace '\.help\.txt$' } }
    $commands = @(Get-Command -Module WalRus | ForEach-Object { @{ Command = $_.Name } })
}

BeforeAll {
    . $PSScriptRoot/Common.ps1
    $common = [Management.Automation.Cmdlet]::CommonParameters + [Management.Automation.Cmdlet]::OptionalCommonParameters

    function Get-DescribedParameter($Help) {
        if ($Help.parameters.PSObject.Properties['parameter']) {
            $Help.parameters.parameter | Where-Object name -NotIn WhatIf, Confirm
        }
    }
}

Describe 'Help of <Command>' -ForEach $commands {
    BeforeAll {
        $help = Get-Help $Command -Full
    }

    It 'has a synopsis and a description' {
        $help.Synopsis | Should -Not -Match "^\s*$Command" -Because 'that would be the generated syntax'
        $help.Synopsis | Should -Match '\.$'
        ($help.description | Out-String).Trim().Length | Should -BeGreaterThan 80
    }

    It 'describes every parameter, and no other' {
        $parameters = (Get-Command $Command).Parameters.Keys.Where({ $_ -notin $common }) | Sort-Object
        $described = Get-DescribedParameter $help
        $described | ForEach-Object name | Sort-Object | Should -Be $parameters
        foreach ($one in $described) {
            ($one.description | Out-String).Trim() | Should -Not -BeNullOrEmpty -Because "-$($one.name) needs a description"
        }
    }

    It 'says of each parameter what is true' {
        foreach ($one in Get-DescribedParameter $help) {
            $real = (Get-Command $Command).Parameters[$one.name]
            $sets = @($real.ParameterSets.Values)
            "$($one.name) $($one.required)" | Should -Be "$($one.name) $((@($sets.IsMandatory) -contains $true).ToString().ToLowerInvariant())"
            "$($one.name) $($one.pipelineInput)" | Should -Match $(
                @($sets.ValueFromPipeline) -contains $true -or @($sets.ValueFromPipelineByPropertyName) -contains $true ? ' true' : ' false')
        }
    }

    It 'has three examples that say what they do' {
        $examples = @($help.examples.example)
        $examples.Count | Should -BeGreaterOrEqual 3
        foreach ($example in $examples) {
            "$($example.code)" | Should -Match ([regex]::Escape($Command))
            ($example.remarks | Out-String).Trim() | Should -Not -BeNullOrEmpty
            $errors = $null
            $null = [Management.Automation.Language.Parser]::ParseInput("$($example.code)", [ref] $null, [ref] $errors)
            $errors | Should -BeNullOrEmpty
        }
    }

    It 'uses only parameters that there are in its examples' {
        foreach ($example in @($help.examples.example)) {
            $ast = [Management.Automation.Language.Parser]::ParseInput("$($example.code)", [ref] $null, [ref] $null)
            foreach ($call in $ast.FindAll({ $args[0] -is [Management.Automation.Language.CommandAst] }, $true)) {
                $called = Get-Command -Module WalRus $call.GetCommandName() -ErrorAction Ignore
                if (-not $called) { continue }
                foreach ($parameter in $call.CommandElements.Where({ $_ -is [Management.Automation.Language.CommandParameterAst] })) {
                    $called.Parameters.Keys | Should -Contain $parameter.ParameterName
                }
            }
        }
    }
}

Describe '<Topic>' -ForEach $topics {
    BeforeAll {
        $text = Get-Content (Join-Path $ModuleFolder 'en-US' "$Topic.help.txt") -Raw
    }

    It 'is found by Get-Help' {
        Get-Help $Topic | Out-String | Should -Match ([regex]::Escape($Topic))
    }

    It 'has a topic, a short description, a long one, and what to see also' {
        $text | Should -Match "(?s)^TOPIC\r?\n    $Topic\r?\n.*\nSHORT DESCRIPTION\r?\n    \S.*\nLONG DESCRIPTION\r?\n.*\nSEE ALSO\r?\n    \S"
    }

    It 'names only cmdlets that there are' {
        foreach ($named in [regex]::Matches($text, '\b[A-Z][a-z]+-(Wal|Pg|BaseBackup|BackupList)[A-Za-z]*').Value | Select-Object -Unique) {
            Get-Command $named -Module WalRus -ErrorAction Ignore | Should -Not -BeNullOrEmpty -Because "$Topic names $named"
        }
    }
}

Describe 'about_WalRus' {
    It 'names every cmdlet' {
        $text = Get-Content (Join-Path $ModuleFolder 'en-US' 'about_WalRus.help.txt') -Raw
        foreach ($command in Get-Command -Module WalRus) { $text | Should -Match "(?m)^        $($command.Name) " }
    }
}
