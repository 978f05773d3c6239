BeforeAll {
    . $PSScriptRoot/Common.ps1
}

Describe 'Get-WalStorageItem' {
    BeforeEach {
        $archive = New-FolderArchive
        foreach ($file in 'b/x/1.json', 'b/x/2.tar', 'b/y/1.json', 'a', 'c') {
            $null = New-Item -ItemType File (Join-Path $archive.WALG_FILE_PREFIX $file) -Force -Value 'content'
        }
    }

    It 'emits typed objects, folders first' {
        $items = Get-WalStorageItem -Setting $archive
        $items[0].GetType().FullName | Should -BeExactly 'WalRus.Cmdlets.PgStorageItem'
        (Get-Command Get-WalStorageItem).OutputType.Type | Should -Be $items[0].GetType()
        $items.Key | Should -Be 'b', 'a', 'c'
        $items.IsFolder | Should -Be $true, $false, $false
        $items[1].Size | Should -Be 7
        $items[1].Modified | Should -BeOfType ([DateTimeOffset])
        $items[0].Modified | Should -BeNullOrEmpty
    }

    It 'recurses, matches patterns and takes keys from the pipeline' {
        (Get-WalStorageItem b -Recurse -Setting $archive).Key | Should -Be 'b/x/1.json', 'b/x/2.tar', 'b/y/1.json'
        (Get-WalStorageItem 'b/*/1.json' -Setting $archive).Key | Should -Be 'b/x/1.json', 'b/y/1.json'
        ('a', 'b/x' | Get-WalStorageItem -Setting $archive).Key | Should -Be 'a', 'b/x/1.json', 'b/x/2.tar'
        @(Get-WalStorageItem 'none*' -Setting $archive).Count | Should -Be 0
    }

    It 'goes on after what is not there' {
        $items = Get-WalStorageItem none, a -Setting $archive -ErrorAction SilentlyContinue -ErrorVariable failed
        $items.Key | Should -Be 'a'
        $failed.FullyQualifiedErrorId | Should -Be 'ObjectNotFound,WalRus.Cmdlets.GetWalStorageItemCommand'
        { Get-WalStorageItem ../x -Setting $archive } | Should -Throw -ErrorId 'InvalidArgument,*'
    }

    It 'prints sizes and times as people read them, and keeps them through a job' {
        Get-WalStorageItem -Setting $archive | Out-String -Width 120 | Should -Match '(?m)^\s+b/\s*$'
        Get-WalStorageItem a -Setting $archive | Out-String -Width 120 | Should -Match '\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\s+7 B\s+a'
        $back = [Management.Automation.PSSerializer]::Deserialize([Management.Automation.PSSerializer]::Serialize((Get-WalStorageItem a -Setting $archive), 2))
        $back.Modified | Should -BeOfType ([DateTimeOffset])
    }

    It 'stops asking the store when the pipeline has enough' {
        (Get-WalStorageItem -Recurse -Setting $archive | Select-Object -First 1).Key | Should -Be 'a'
    }
}
